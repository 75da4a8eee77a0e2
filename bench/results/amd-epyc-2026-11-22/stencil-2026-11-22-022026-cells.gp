set terminal svg size 1000,560 noenhanced font 'sans,13' background '#ffffff'
set output "bench/results/amd-epyc-2026-11-22/stencil-2026-11-22-022026-cells.svg"
set title "stencil: cells (median, 95 % interval)\nAMD EPYC, 2026-11-22"
set label 99 "includes: per step: every cell (7 points, f32), barrier of the actor's blocks; one call from Lua shared by all steps; 1 block(s) of 1 lanes (others: see the table)" at screen 0.01, 0.02 left font 'sans,10'
set bmargin 6
set grid
set xlabel "blocks"
set ylabel "Mcells/s"
set xtics (1, 2)
set logscale x 2
set offsets graph 0.05, graph 0.05, 0, 0
set yrange [0:*]
set format y "%g"
set key outside right top
plot "bench/results/amd-epyc-2026-11-22/stencil-2026-11-22-022026-cells.dat" index 0 using 1:2:3:4 with yerrorlines lw 2 lt 1 dt 1 pt 4 title "actor size=24", \
  "bench/results/amd-epyc-2026-11-22/stencil-2026-11-22-022026-cells.dat" index 1 using 1:2:3:4 with yerrorlines lw 2 lt 2 dt 1 pt 5 title "launch size=24", \
  "bench/results/amd-epyc-2026-11-22/stencil-2026-11-22-022026-cells.dat" index 2 using 1:2:3:4 with yerrorlines lw 2 lt 3 dt 1 pt 6 title "actor size=64", \
  "bench/results/amd-epyc-2026-11-22/stencil-2026-11-22-022026-cells.dat" index 3 using 1:2:3:4 with yerrorlines lw 2 lt 4 dt 1 pt 7 title "launch size=64"
