set terminal svg size 1000,560 noenhanced font 'sans,13' background '#ffffff'
set output "bench/results/amd-epyc-2026-11-22/k2k-2026-11-22-054519-time.svg"
set title "k2k: time (median, 95 % interval)\nAMD EPYC, 2026-11-22"
set label 99 "includes: per hop: handler, copy of 64 B, credit, ticket, stamp, queue of the block that has it next; one call from Lua and one question to the first actor shared by all hops; each block on a processor of its own" at screen 0.01, 0.02 left font 'sans,10'
set bmargin 6
set grid
set xlabel "actors"
set ylabel "ns"
set xtics (2, 10, 100, 1000)
set logscale x 2
set offsets graph 0.05, graph 0.05, 0, 0
set yrange [0:*]
set format y "%g"
set key outside right top
plot "bench/results/amd-epyc-2026-11-22/k2k-2026-11-22-054519-time.dat" index 0 using 1:2:3:4 with yerrorlines lw 2 lt 1 dt 1 pt 4 title "one_block", \
  "bench/results/amd-epyc-2026-11-22/k2k-2026-11-22-054519-time.dat" index 1 using 1:2:3:4 with yerrorlines lw 2 lt 2 dt 1 pt 5 title "halves", \
  "bench/results/amd-epyc-2026-11-22/k2k-2026-11-22-054519-time.dat" index 2 using 1:2:3:4 with yerrorlines lw 2 lt 3 dt 1 pt 6 title "in_turn"
