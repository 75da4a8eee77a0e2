set terminal svg size 1000,560 noenhanced font 'sans,13' background '#ffffff'
set output "bench/results/amd-epyc-2026-11-22/rings-2026-11-22-021837-time-single.svg"
set title "rings: time, shape=single (median, 95 % interval)\nAMD EPYC, 2026-11-22"
set label 99 "includes: two threads, 64+8 B; every word written, put + commit per message, copied out and checked; no stamp, no bell (others: see the table)" at screen 0.01, 0.02 left font 'sans,10'
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
plot "bench/results/amd-epyc-2026-11-22/rings-2026-11-22-021837-time-single.dat" index 0 using 1:2:3:4 with yerrorlines lw 2 lt 1 dt 1 pt 4 title "producers=1 record", \
  "bench/results/amd-epyc-2026-11-22/rings-2026-11-22-021837-time-single.dat" index 1 using 1:2:3:4 with yerrorlines lw 2 lt 2 dt 1 pt 5 title "producers=1 tagged", \
  "bench/results/amd-epyc-2026-11-22/rings-2026-11-22-021837-time-single.dat" index 2 using 1:2:3:4 with yerrorlines lw 2 lt 3 dt 1 pt 6 title "producers=1 inbox", \
  "bench/results/amd-epyc-2026-11-22/rings-2026-11-22-021837-time-single.dat" index 3 using 1:2:3:4 with yerrorlines lw 2 lt 4 dt 1 pt 7 title "producers=4 inbox", \
  "bench/results/amd-epyc-2026-11-22/rings-2026-11-22-021837-time-single.dat" index 4 using 1:2:3:4 with yerrorlines lw 2 lt 5 dt 1 pt 8 title "producers=1 ck_ring", \
  "bench/results/amd-epyc-2026-11-22/rings-2026-11-22-021837-time-single.dat" index 5 using 1:2:3:4 with yerrorlines lw 2 lt 6 dt 1 pt 9 title "producers=1 boost_spsc", \
  "bench/results/amd-epyc-2026-11-22/rings-2026-11-22-021837-time-single.dat" index 6 using 1:2:3:4 with yerrorlines lw 2 lt 7 dt 1 pt 10 title "producers=1 rte_ring", \
  "bench/results/amd-epyc-2026-11-22/rings-2026-11-22-021837-time-single.dat" index 7 using 1:2:3:4 with yerrorlines lw 2 lt 8 dt 1 pt 11 title "producers=1 ck_ring_mpsc", \
  "bench/results/amd-epyc-2026-11-22/rings-2026-11-22-021837-time-single.dat" index 8 using 1:2:3:4 with yerrorlines lw 2 lt 1 dt 2 pt 12 title "producers=1 rte_ring_mpsc", \
  "bench/results/amd-epyc-2026-11-22/rings-2026-11-22-021837-time-single.dat" index 9 using 1:2:3:4 with yerrorlines lw 2 lt 2 dt 2 pt 13 title "producers=1 boost_queue", \
  "bench/results/amd-epyc-2026-11-22/rings-2026-11-22-021837-time-single.dat" index 10 using 1:2:3:4 with yerrorlines lw 2 lt 3 dt 2 pt 14 title "producers=4 boost_queue"
