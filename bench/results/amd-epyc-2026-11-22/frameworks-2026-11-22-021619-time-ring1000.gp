set terminal svg size 1000,310 noenhanced font 'sans,13' background '#ffffff'
set output "bench/results/amd-epyc-2026-11-22/frameworks-2026-11-22-021619-time-ring1000.svg"
set title "frameworks: time, task=ring1000 (median, 95 % interval)\nAMD EPYC, 2026-11-22"
set label 99 "includes: 1,000 actors in a ring on one block, one token, per hop (others: see the table)" at screen 0.01, 0.02 left font 'sans,10'
set bmargin 6
set grid
unset key
set xlabel "ns"
set format x "%g"

set xrange [0:616.72775]
set yrange [4.5:-0.5]
set lmargin 13
set style fill solid 0.6
plot "bench/results/amd-epyc-2026-11-22/frameworks-2026-11-22-021619-time-ring1000.dat" using (0):0:(0):2:($0-0.35):($0+0.35):ytic(1) with boxxyerror lt 2, \
  "bench/results/amd-epyc-2026-11-22/frameworks-2026-11-22-021619-time-ring1000.dat" using 2:0:3:4 with xerrorbars lt -1 pt 7 ps 0.4, \
  "bench/results/amd-epyc-2026-11-22/frameworks-2026-11-22-021619-time-ring1000.dat" using 4:0:5 with labels left offset 1,0
