set terminal svg size 1000,362 noenhanced font 'sans,13' background '#ffffff'
set output "bench/results/amd-epyc-2026-11-22/lua_calls-2026-11-22-021650-time.svg"
set title "lua_calls: time (median, 95 % interval)\nAMD EPYC, 2026-11-22"
set label 99 "includes: a plain table literal of 4 fields, with the loop around it (others: see the table)" at screen 0.01, 0.02 left font 'sans,10'
set bmargin 6
set grid
unset key
set xlabel ""
set format x "%.0s %cs"
set logscale x
set xrange [1e-08:0.00015903]
set yrange [6.5:-0.5]
set lmargin 21
set style fill solid 0.6
plot "bench/results/amd-epyc-2026-11-22/lua_calls-2026-11-22-021650-time.dat" using (1e-08):0:(1e-08):2:($0-0.35):($0+0.35):ytic(1) with boxxyerror lt 2, \
  "bench/results/amd-epyc-2026-11-22/lua_calls-2026-11-22-021650-time.dat" using 2:0:3:4 with xerrorbars lt -1 pt 7 ps 0.4, \
  "bench/results/amd-epyc-2026-11-22/lua_calls-2026-11-22-021650-time.dat" using 4:0:5 with labels left offset 1,0
