set terminal svg size 1000,560 noenhanced font 'sans,13' background '#ffffff'
set output "bench/results/amd-epyc-2026-11-22/roundtrip-2026-11-22-021927-bandwidth.svg"
set title "roundtrip: bandwidth (median, 95 % interval)\nAMD EPYC, 2026-11-22"
set label 99 "includes: actor:call, each timed: send, stamp, handler, reply found by its correlation, table made; the bandwidth is of both directions; threads not pinned (others: see the table)" at screen 0.01, 0.02 left font 'sans,10'
set bmargin 6
set grid
set xlabel "payload"
set ylabel "MB/s"
set xtics (8, 64, 256, 1024, 4096, 65536, 1048576)
set logscale x 2
set offsets graph 0.05, graph 0.05, 0, 0
set logscale y
set yrange [1:*]
set format y "%g"
set key outside right top
plot "bench/results/amd-epyc-2026-11-22/roundtrip-2026-11-22-021927-bandwidth.dat" index 0 using 1:2:3:4 with yerrorlines lw 2 lt 1 dt 1 pt 4 title "call", \
  "bench/results/amd-epyc-2026-11-22/roundtrip-2026-11-22-021927-bandwidth.dat" index 1 using 1:2:3:4 with yerrorlines lw 2 lt 2 dt 1 pt 5 title "receive", \
  "bench/results/amd-epyc-2026-11-22/roundtrip-2026-11-22-021927-bandwidth.dat" index 2 using 1:2:3:4 with yerrorlines lw 2 lt 3 dt 1 pt 6 title "poll", \
  "bench/results/amd-epyc-2026-11-22/roundtrip-2026-11-22-021927-bandwidth.dat" index 3 using 1:2:3:4 with yerrorlines lw 2 lt 4 dt 1 pt 7 title "buffer"
