set terminal svg size 1000,284 noenhanced font 'sans,13' background '#ffffff'
set output "bench/results/amd-epyc-2026-11-22/frame-2026-11-22-021611-time.svg"
set title "frame: time (median, 95 % interval)\nAMD EPYC, 2026-11-22"
set label 99 "includes: a frame as fast as it goes, latencies of a command; clearing, then 10 times an impulse, 10 steps of 10648 cells, a probe; 1 block(s) of 1 lanes (others: see the table)" at screen 0.01, 0.02 left font 'sans,10'
set bmargin 6
set grid
unset key
set xlabel "ms"
set format x "%g"

set xrange [0:17.0412193]
set yrange [3.5:-0.5]
set lmargin 17
set style fill solid 0.6
plot "bench/results/amd-epyc-2026-11-22/frame-2026-11-22-021611-time.dat" using (0):0:(0):2:($0-0.35):($0+0.35):ytic(1) with boxxyerror lt 2, \
  "bench/results/amd-epyc-2026-11-22/frame-2026-11-22-021611-time.dat" using 2:0:3:4 with xerrorbars lt -1 pt 7 ps 0.4, \
  "bench/results/amd-epyc-2026-11-22/frame-2026-11-22-021611-time.dat" using 4:0:5 with labels left offset 1,0
