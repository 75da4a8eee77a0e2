set terminal svg size 1000,560 noenhanced font 'sans,13' background '#ffffff'
set output "bench/results/amd-epyc-2026-11-22/fan-2026-11-22-021610-bandwidth.svg"
set title "fan: bandwidth (median, 95 % interval)\nAMD EPYC, 2026-11-22"
set label 99 "includes: per message delivered (64 B): making it, its link (fan_out above 1: a router that copies it to each), queue, handler that reads every word; until the host has the report of every last message, and one question to a sink; sources on one block, sinks on another, each on a processor of its own" at screen 0.01, 0.02 left font 'sans,10'
set bmargin 6
set grid
set xlabel "width"
set ylabel "MB/s"
set xtics (1, 4, 16, 64)
set logscale x 2
set offsets graph 0.05, graph 0.05, 0, 0
set yrange [0:*]
set format y "%g"
set key outside right top
plot "bench/results/amd-epyc-2026-11-22/fan-2026-11-22-021610-bandwidth.dat" index 0 using 1:2:3:4 with yerrorlines lw 2 lt 1 dt 1 pt 4 title "fan_in", \
  "bench/results/amd-epyc-2026-11-22/fan-2026-11-22-021610-bandwidth.dat" index 1 using 1:2:3:4 with yerrorlines lw 2 lt 2 dt 1 pt 5 title "fan_out"
