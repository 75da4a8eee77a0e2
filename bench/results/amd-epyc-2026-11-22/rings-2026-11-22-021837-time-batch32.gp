set terminal svg size 1000,560 noenhanced font 'sans,13' background '#ffffff'
set output "bench/results/amd-epyc-2026-11-22/rings-2026-11-22-021837-time-batch32.svg"
set title "rings: time, shape=batch32 (median, 95 % interval)\nAMD EPYC, 2026-11-22"
set label 99 "includes: as one at a time, one look at the room and one publication per 32 (first record finished last); sequence words or tags still one per record (others: see the table)" at screen 0.01, 0.02 left font 'sans,10'
set bmargin 6
set grid
set xlabel "payload"
set ylabel "ns"
set xtics (8, 64, 256, 1024, 4032)
set logscale x 2
set offsets graph 0.05, graph 0.05, 0, 0
set yrange [0:*]
set format y "%g"
set key outside right top
plot "bench/results/amd-epyc-2026-11-22/rings-2026-11-22-021837-time-batch32.dat" index 0 using 1:2:3:4 with yerrorlines lw 2 lt 1 dt 1 pt 4 title "record", \
  "bench/results/amd-epyc-2026-11-22/rings-2026-11-22-021837-time-batch32.dat" index 1 using 1:2:3:4 with yerrorlines lw 2 lt 2 dt 1 pt 5 title "tagged", \
  "bench/results/amd-epyc-2026-11-22/rings-2026-11-22-021837-time-batch32.dat" index 2 using 1:2:3:4 with yerrorlines lw 2 lt 3 dt 1 pt 6 title "rte_ring"
