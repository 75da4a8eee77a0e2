set terminal svg size 1000,560 noenhanced font 'sans,13' background '#ffffff'
set output "bench/results/amd-epyc-2026-11-22/checkpoint-2026-11-22-021356-pause.svg"
set title "checkpoint: pause (median, 95 % interval)\nAMD EPYC, 2026-11-22"
set label 99 "includes: rt:checkpoint: the grid stands still while states and queues are copied, then they are hashed, written, fsync, rename, fsync of the folder (others: see the table)" at screen 0.01, 0.02 left font 'sans,10'
set bmargin 6
set grid
set xlabel "mib"
set ylabel "ms"
set xtics (64, 1024)
set logscale x 2
set offsets graph 0.05, graph 0.05, 0, 0
set yrange [0:*]
set format y "%g"
set key outside right top
plot "bench/results/amd-epyc-2026-11-22/checkpoint-2026-11-22-021356-pause.dat" index 0 using 1:2:3:4 with yerrorlines lw 2 lt 1 dt 1 pt 4 title "write", \
  "bench/results/amd-epyc-2026-11-22/checkpoint-2026-11-22-021356-pause.dat" index 1 using 1:2:3:4 with yerrorlines lw 2 lt 2 dt 1 pt 5 title "restore"
