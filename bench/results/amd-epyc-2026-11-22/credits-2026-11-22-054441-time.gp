set terminal svg size 1000,440 noenhanced font 'sans,13' background '#ffffff'
set output "bench/results/amd-epyc-2026-11-22/credits-2026-11-22-054441-time.svg"
set title "credits: time (median, 95 % interval)\nAMD EPYC, 2026-11-22"
set label 99 "includes: over a link that blocks, the default; eight credits are taken at a time: half the receiver's queue; per hop of 64 B: handler, copy, queue, stamp; one call from Lua and one question to the first actor shared by all; each block on a processor of its own (others: see the table)" at screen 0.01, 0.02 left font 'sans,10'
set bmargin 6
set grid
unset key
set xlabel "ns"
set format x "%g"

set xrange [0:156.4897]
set yrange [9.5:-0.5]
set lmargin 25
set style fill solid 0.6
plot "bench/results/amd-epyc-2026-11-22/credits-2026-11-22-054441-time.dat" using (0):0:(0):2:($0-0.35):($0+0.35):ytic(1) with boxxyerror lt 2, \
  "bench/results/amd-epyc-2026-11-22/credits-2026-11-22-054441-time.dat" using 2:0:3:4 with xerrorbars lt -1 pt 7 ps 0.4, \
  "bench/results/amd-epyc-2026-11-22/credits-2026-11-22-054441-time.dat" using 4:0:5 with labels left offset 1,0
