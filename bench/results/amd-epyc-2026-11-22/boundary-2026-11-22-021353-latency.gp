set terminal svg size 1000,560 noenhanced font 'sans,13' background '#ffffff'
set output "bench/results/amd-epyc-2026-11-22/boundary-2026-11-22-021353-latency.svg"
set title "boundary: latency by percentile\nAMD EPYC, 2026-11-22"
set label 99 "includes: actor:call: request, handler, reply found by its correlation, table made" at screen 0.01, 0.02 left font 'sans,10'
set bmargin 6
set grid
set ylabel "us"
set key outside right top
set logscale xy
set format y "%g"
set xrange [1:14400]
set xlabel "percentile"
set xtics ("0" 1, "50" 2, "90" 10, "99" 100, "99.9" 1000, "99.99" 1e4, "99.999" 1e5, "99.9999" 1e6)
plot "bench/results/amd-epyc-2026-11-22/boundary-2026-11-22-021353-latency.dat" index 0 using 1:2 with lines lw 2 lt 1 dt 1 title "what=call"
