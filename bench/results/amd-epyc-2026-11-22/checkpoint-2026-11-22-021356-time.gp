set terminal svg size 1000,560 noenhanced font 'sans,13' background '#ffffff'
set output "bench/results/amd-epyc-2026-11-22/checkpoint-2026-11-22-021356-time.svg"
set title "checkpoint: time (median, 95 % interval)\nAMD EPYC, 2026-11-22"
set label 99 "includes: the same bytes from memory in writes of 1 MiB, close, sync(1) of the file, which is a process of its own (others: see the table)" at screen 0.01, 0.02 left font 'sans,10'
set bmargin 6
set grid
set xlabel "mib"
set ylabel "s"
set xtics (64, 1024)
set logscale x 2
set offsets graph 0.05, graph 0.05, 0, 0
set yrange [0:*]
set format y "%g"
set key outside right top
plot "bench/results/amd-epyc-2026-11-22/checkpoint-2026-11-22-021356-time.dat" index 0 using 1:2:3:4 with yerrorlines lw 2 lt 1 dt 1 pt 4 title "plain", \
  "bench/results/amd-epyc-2026-11-22/checkpoint-2026-11-22-021356-time.dat" index 1 using 1:2:3:4 with yerrorlines lw 2 lt 2 dt 1 pt 5 title "write", \
  "bench/results/amd-epyc-2026-11-22/checkpoint-2026-11-22-021356-time.dat" index 2 using 1:2:3:4 with yerrorlines lw 2 lt 3 dt 1 pt 6 title "restore"
