set terminal svg size 1000,258 noenhanced font 'sans,13' background '#ffffff'
set output "bench/results/amd-epyc-2026-11-22/sustained-2026-11-22-022028-time.svg"
set title "sustained: time (median, 95 % interval)\nAMD EPYC, 2026-11-22"
set label 99 "includes: actor:send_many of 64 B in lists of 32 from Lua, again when full, for a second, until the handler has read all; latency: of a list (others: see the table)" at screen 0.01, 0.02 left font 'sans,10'
set bmargin 6
set grid
unset key
set xlabel "ns"
set format x "%g"

set xrange [0:422.973484]
set yrange [2.5:-0.5]
set lmargin 9
set style fill solid 0.6
plot "bench/results/amd-epyc-2026-11-22/sustained-2026-11-22-022028-time.dat" using (0):0:(0):2:($0-0.35):($0+0.35):ytic(1) with boxxyerror lt 2, \
  "bench/results/amd-epyc-2026-11-22/sustained-2026-11-22-022028-time.dat" using 2:0:3:4 with xerrorbars lt -1 pt 7 ps 0.4, \
  "bench/results/amd-epyc-2026-11-22/sustained-2026-11-22-022028-time.dat" using 4:0:5 with labels left offset 1,0
