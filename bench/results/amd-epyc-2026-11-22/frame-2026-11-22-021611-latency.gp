set terminal svg size 1000,560 noenhanced font 'sans,13' background '#ffffff'
set output "bench/results/amd-epyc-2026-11-22/frame-2026-11-22-021611-latency.svg"
set title "frame: latency by percentile\nAMD EPYC, 2026-11-22"
set label 99 "includes: a frame as fast as it goes, latencies of a command; clearing, then 10 times an impulse, 10 steps of 10648 cells, a probe; 1 block(s) of 1 lanes (others: see the table)" at screen 0.01, 0.02 left font 'sans,10'
set bmargin 6
set grid
set ylabel "us"
set key outside right top
set logscale xy
set format y "%g"
set xrange [1:300]
set xlabel "percentile"
set xtics ("0" 1, "50" 2, "90" 10, "99" 100, "99.9" 1000, "99.99" 1e4, "99.999" 1e5, "99.9999" 1e6)
plot "bench/results/amd-epyc-2026-11-22/frame-2026-11-22-021611-latency.dat" index 0 using 1:2 with lines lw 2 lt 1 dt 1 title "actor at_once", \
  "bench/results/amd-epyc-2026-11-22/frame-2026-11-22-021611-latency.dat" index 1 using 1:2 with lines lw 2 lt 2 dt 1 title "launch at_once", \
  "bench/results/amd-epyc-2026-11-22/frame-2026-11-22-021611-latency.dat" index 2 using 1:2 with lines lw 2 lt 3 dt 1 title "actor paced", \
  "bench/results/amd-epyc-2026-11-22/frame-2026-11-22-021611-latency.dat" index 3 using 1:2 with lines lw 2 lt 4 dt 1 title "launch paced"
