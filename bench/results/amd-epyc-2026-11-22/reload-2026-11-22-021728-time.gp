set terminal svg size 1000,232 noenhanced font 'sans,13' background '#ffffff'
set output "bench/results/amd-epyc-2026-11-22/reload-2026-11-22-021728-time.svg"
set title "reload: time (median, 95 % interval)\nAMD EPYC, 2026-11-22"
set label 99 "includes: reload to code of the same state: pause: in its block, the look through the queue, a copy of 528 B of state, the swap; time: the whole call under load, checks and answer included (others: see the table)" at screen 0.01, 0.02 left font 'sans,10'
set bmargin 6
set grid
unset key
set xlabel "us"
set format x "%g"

set xrange [0:59.9600915]
set yrange [1.5:-0.5]
set lmargin 14
set style fill solid 0.6
plot "bench/results/amd-epyc-2026-11-22/reload-2026-11-22-021728-time.dat" using (0):0:(0):2:($0-0.35):($0+0.35):ytic(1) with boxxyerror lt 2, \
  "bench/results/amd-epyc-2026-11-22/reload-2026-11-22-021728-time.dat" using 2:0:3:4 with xerrorbars lt -1 pt 7 ps 0.4, \
  "bench/results/amd-epyc-2026-11-22/reload-2026-11-22-021728-time.dat" using 4:0:5 with labels left offset 1,0
