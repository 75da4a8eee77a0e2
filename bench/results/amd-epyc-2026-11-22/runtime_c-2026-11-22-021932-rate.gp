set terminal svg size 1000,258 noenhanced font 'sans,13' background '#ffffff'
set output "bench/results/amd-epyc-2026-11-22/runtime_c-2026-11-22-021932-rate.svg"
set title "runtime_c: rate (median, 95 % interval)\nAMD EPYC, 2026-11-22"
set label 99 "includes: rk_actor_send of 64 B to one actor until all are handled: its handler reads every word, sum checked (others: see the table)" at screen 0.01, 0.02 left font 'sans,10'
set bmargin 6
set grid
unset key
set xlabel "M/s"
set format x "%g"

set xrange [0:25.519765]
set yrange [2.5:-0.5]
set lmargin 20
set style fill solid 0.6
plot "bench/results/amd-epyc-2026-11-22/runtime_c-2026-11-22-021932-rate.dat" using (0):0:(0):2:($0-0.35):($0+0.35):ytic(1) with boxxyerror lt 2, \
  "bench/results/amd-epyc-2026-11-22/runtime_c-2026-11-22-021932-rate.dat" using 2:0:3:4 with xerrorbars lt -1 pt 7 ps 0.4, \
  "bench/results/amd-epyc-2026-11-22/runtime_c-2026-11-22-021932-rate.dat" using 4:0:5 with labels left offset 1,0
