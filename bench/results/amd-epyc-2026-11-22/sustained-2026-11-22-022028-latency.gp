set terminal svg size 1000,560 noenhanced font 'sans,13' background '#ffffff'
set output "bench/results/amd-epyc-2026-11-22/sustained-2026-11-22-022028-latency.svg"
set title "sustained: latency by percentile\nAMD EPYC, 2026-11-22"
set label 99 "includes: actor:send_many of 64 B in lists of 32 from Lua, again when full, for a second, until the handler has read all; latency: of a list (others: see the table)" at screen 0.01, 0.02 left font 'sans,10'
set bmargin 6
set grid
set ylabel "us"
set key outside right top
set logscale xy
set format y "%g"
set xrange [1:5370840]
set xlabel "percentile"
set xtics ("0" 1, "50" 2, "90" 10, "99" 100, "99.9" 1000, "99.99" 1e4, "99.999" 1e5, "99.9999" 1e6)
plot "bench/results/amd-epyc-2026-11-22/sustained-2026-11-22-022028-latency.dat" index 0 using 1:2 with lines lw 2 lt 1 dt 1 title "host", \
  "bench/results/amd-epyc-2026-11-22/sustained-2026-11-22-022028-latency.dat" index 1 using 1:2 with lines lw 2 lt 2 dt 1 title "packed"
