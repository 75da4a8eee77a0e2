set terminal svg size 1000,560 noenhanced font 'sans,13' background '#ffffff'
set output "bench/results/amd-epyc-2026-11-22/roundtrip-2026-11-22-021927-latency.svg"
set title "roundtrip: latency by percentile\nAMD EPYC, 2026-11-22"
set label 99 "includes: actor:call, each timed: send, stamp, handler, reply found by its correlation, table made; the bandwidth is of both directions; threads not pinned (others: see the table)" at screen 0.01, 0.02 left font 'sans,10'
set bmargin 6
set grid
set ylabel "us"
set key outside right top
set logscale xy
set format y "%g"
set xrange [1:15000]
set xlabel "percentile"
set xtics ("0" 1, "50" 2, "90" 10, "99" 100, "99.9" 1000, "99.99" 1e4, "99.999" 1e5, "99.9999" 1e6)
plot "bench/results/amd-epyc-2026-11-22/roundtrip-2026-11-22-021927-latency.dat" index 0 using 1:2 with lines lw 2 lt 1 dt 1 title "payload=8 call", \
  "bench/results/amd-epyc-2026-11-22/roundtrip-2026-11-22-021927-latency.dat" index 1 using 1:2 with lines lw 2 lt 2 dt 1 title "payload=64 call", \
  "bench/results/amd-epyc-2026-11-22/roundtrip-2026-11-22-021927-latency.dat" index 2 using 1:2 with lines lw 2 lt 3 dt 1 title "payload=256 call", \
  "bench/results/amd-epyc-2026-11-22/roundtrip-2026-11-22-021927-latency.dat" index 3 using 1:2 with lines lw 2 lt 4 dt 1 title "payload=1024 call", \
  "bench/results/amd-epyc-2026-11-22/roundtrip-2026-11-22-021927-latency.dat" index 4 using 1:2 with lines lw 2 lt 5 dt 1 title "payload=4096 call", \
  "bench/results/amd-epyc-2026-11-22/roundtrip-2026-11-22-021927-latency.dat" index 5 using 1:2 with lines lw 2 lt 6 dt 1 title "payload=65536 call", \
  "bench/results/amd-epyc-2026-11-22/roundtrip-2026-11-22-021927-latency.dat" index 6 using 1:2 with lines lw 2 lt 7 dt 1 title "payload=8 receive", \
  "bench/results/amd-epyc-2026-11-22/roundtrip-2026-11-22-021927-latency.dat" index 7 using 1:2 with lines lw 2 lt 8 dt 1 title "payload=64 receive", \
  "bench/results/amd-epyc-2026-11-22/roundtrip-2026-11-22-021927-latency.dat" index 8 using 1:2 with lines lw 2 lt 1 dt 2 title "payload=256 receive", \
  "bench/results/amd-epyc-2026-11-22/roundtrip-2026-11-22-021927-latency.dat" index 9 using 1:2 with lines lw 2 lt 2 dt 2 title "payload=1024 receive", \
  "bench/results/amd-epyc-2026-11-22/roundtrip-2026-11-22-021927-latency.dat" index 10 using 1:2 with lines lw 2 lt 3 dt 2 title "payload=4096 receive", \
  "bench/results/amd-epyc-2026-11-22/roundtrip-2026-11-22-021927-latency.dat" index 11 using 1:2 with lines lw 2 lt 4 dt 2 title "payload=65536 receive", \
  "bench/results/amd-epyc-2026-11-22/roundtrip-2026-11-22-021927-latency.dat" index 12 using 1:2 with lines lw 2 lt 5 dt 2 title "payload=8 poll", \
  "bench/results/amd-epyc-2026-11-22/roundtrip-2026-11-22-021927-latency.dat" index 13 using 1:2 with lines lw 2 lt 6 dt 2 title "payload=64 poll", \
  "bench/results/amd-epyc-2026-11-22/roundtrip-2026-11-22-021927-latency.dat" index 14 using 1:2 with lines lw 2 lt 7 dt 2 title "payload=256 poll", \
  "bench/results/amd-epyc-2026-11-22/roundtrip-2026-11-22-021927-latency.dat" index 15 using 1:2 with lines lw 2 lt 8 dt 2 title "payload=1024 poll", \
  "bench/results/amd-epyc-2026-11-22/roundtrip-2026-11-22-021927-latency.dat" index 16 using 1:2 with lines lw 2 lt 1 dt 3 title "payload=4096 poll", \
  "bench/results/amd-epyc-2026-11-22/roundtrip-2026-11-22-021927-latency.dat" index 17 using 1:2 with lines lw 2 lt 2 dt 3 title "payload=65536 poll", \
  "bench/results/amd-epyc-2026-11-22/roundtrip-2026-11-22-021927-latency.dat" index 18 using 1:2 with lines lw 2 lt 3 dt 3 title "payload=4096 buffer", \
  "bench/results/amd-epyc-2026-11-22/roundtrip-2026-11-22-021927-latency.dat" index 19 using 1:2 with lines lw 2 lt 4 dt 3 title "payload=65536 buffer", \
  "bench/results/amd-epyc-2026-11-22/roundtrip-2026-11-22-021927-latency.dat" index 20 using 1:2 with lines lw 2 lt 5 dt 3 title "payload=1048576 buffer"
