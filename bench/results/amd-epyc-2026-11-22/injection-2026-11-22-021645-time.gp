set terminal svg size 1000,560 noenhanced font 'sans,13' background '#ffffff'
set output "bench/results/amd-epyc-2026-11-22/injection-2026-11-22-021645-time.svg"
set title "injection: time (median, 95 % interval)\nAMD EPYC, 2026-11-22"
set label 99 "includes: rt:run from Lua, waited for each time, each timed; backend cpu (the calling thread does the work), one block of 1 lanes (others: see the table)" at screen 0.01, 0.02 left font 'sans,10'
set bmargin 6
set grid
set xlabel "elements"
set ylabel "ns"
set xtics (256, 65536)
set logscale x 2
set offsets graph 0.05, graph 0.05, 0, 0
set logscale y
set yrange [1e-07:*]
set format y "%.0s %cs"
set key outside right top
plot "bench/results/amd-epyc-2026-11-22/injection-2026-11-22-021645-time.dat" index 0 using 1:2:3:4 with yerrorlines lw 2 lt 1 dt 1 pt 4 title "run", \
  "bench/results/amd-epyc-2026-11-22/injection-2026-11-22-021645-time.dat" index 1 using 1:2:3:4 with yerrorlines lw 2 lt 2 dt 1 pt 5 title "launch", \
  "bench/results/amd-epyc-2026-11-22/injection-2026-11-22-021645-time.dat" index 2 using 1:2:3:4 with yerrorlines lw 2 lt 3 dt 1 pt 6 title "call", \
  "bench/results/amd-epyc-2026-11-22/injection-2026-11-22-021645-time.dat" index 3 using 1:2:3:4 with yerrorlines lw 2 lt 4 dt 1 pt 7 title "post"
