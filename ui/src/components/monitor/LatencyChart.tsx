import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Series } from "../../lib/series";
import { took } from "../../lib/time";
import { PHASE_VARS } from "./phases";

const HEIGHT = 220;

type Props = { series: Series; onHover: (index: number | null) => void };

/** Phases stacked over time. What did not pass leaves a gap with a cross at its foot. */
export function LatencyChart({ series, onHover }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(series);
  latest.current = series;
  const hover = useRef(onHover);
  hover.current = onHover;
  const shape = series.phases.join();

  useEffect(() => {
    const host = box.current;
    if (host === null) return;
    // The lines change with the phases, the colours with the theme: both mean a new plot.
    const draw = () => {
      plot.current?.destroy();
      const options = optionsOf(
        host,
        shape.split(","),
        () => latest.current,
        (i) => hover.current(i),
      );
      plot.current = new uPlot(options, dataOf(latest.current), host);
    };
    draw();
    const size = new ResizeObserver(() => plot.current?.setSize({ width: host.clientWidth, height: HEIGHT }));
    size.observe(host);
    const theme = new MutationObserver(draw);
    theme.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    return () => {
      size.disconnect();
      theme.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [shape]);

  useEffect(() => {
    plot.current?.setData(dataOf(series));
  }, [series]);

  const failed = series.failed.filter(Boolean).length;
  return (
    <div
      ref={box}
      role="img"
      aria-label={`Time taken of the last ${series.x.length} runs, by phase; ${failed} did not pass`}
      data-chart
      className="w-full"
      style={{ height: HEIGHT }}
    />
  );
}

/** The top of the stack is drawn first, so that each lower sum covers its part. */
function dataOf(series: Series): uPlot.AlignedData {
  return [series.x, ...[...series.stacked].reverse()] as uPlot.AlignedData;
}

function optionsOf(
  host: HTMLElement,
  phases: readonly string[],
  current: () => Series,
  onHover: (index: number | null) => void,
): uPlot.Options {
  const ink = (name: string) => getComputedStyle(host).getPropertyValue(name).trim();
  const axis = { stroke: ink("--ink-3"), font: `11px ${getComputedStyle(document.body).fontFamily}` };
  const grid = { stroke: ink("--line"), width: 1 };
  return {
    width: host.clientWidth,
    height: HEIGHT,
    padding: [8, 4, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { x: true, y: false } },
    scales: { x: { time: true }, y: { range: (_, _min, max) => [0, max === null || max <= 0 ? 1 : max * 1.08] } },
    axes: [
      { ...axis, grid: { show: false }, ticks: { show: false }, space: 80, size: 28, values: timeLabels },
      { ...axis, grid, ticks: { show: false }, size: 56, space: 44, values: (_, ticks) => ticks.map(label) },
    ],
    series: [
      {},
      ...[...phases.keys()].reverse().map((i): uPlot.Series => {
        const colour = ink(PHASE_VARS[i % PHASE_VARS.length] ?? "--phase-1");
        return { stroke: colour, width: 1, fill: colour, spanGaps: false, points: { show: false } };
      }),
    ],
    hooks: {
      setCursor: [(u) => onHover(u.cursor.idx ?? null)],
      draw: [(u) => crosses(u, current(), ink("--critical-fill"))],
    },
  };
}

/** No zero-millisecond digits on an axis: `0`, `5 ms`, `2.5 s`. */
function label(ms: number): string {
  if (ms === 0) return "0";
  if (ms < 1) return `${Number(ms.toFixed(3))} ms`;
  return ms < 1000 ? `${Number(ms.toFixed(1))} ms` : took(ms);
}

const SHORT = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const EXACT = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});

function timeLabels(_: uPlot, ticks: number[]): string[] {
  const step = (ticks[1] ?? 60) - (ticks[0] ?? 0);
  return ticks.map((t) => (step < 60 ? EXACT : SHORT).format(t * 1000));
}

/** A cross and a faint line where a run did not pass. */
function crosses(u: uPlot, series: Series, colour: string): void {
  const { ctx, bbox } = u;
  const arm = 3 * devicePixelRatio;
  ctx.save();
  ctx.strokeStyle = colour;
  series.x.forEach((x, i) => {
    if (series.failed[i] !== true) return;
    const at = Math.round(u.valToPos(x, "x", true));
    if (at < bbox.left || at > bbox.left + bbox.width) return;
    const foot = bbox.top + bbox.height - arm - 2;
    ctx.globalAlpha = 0.18;
    ctx.lineWidth = devicePixelRatio;
    ctx.beginPath();
    ctx.moveTo(at, bbox.top);
    ctx.lineTo(at, foot - arm);
    ctx.stroke();
    ctx.globalAlpha = 1;
    ctx.lineWidth = 1.5 * devicePixelRatio;
    ctx.beginPath();
    ctx.moveTo(at - arm, foot - arm);
    ctx.lineTo(at + arm, foot + arm);
    ctx.moveTo(at + arm, foot - arm);
    ctx.lineTo(at - arm, foot + arm);
    ctx.stroke();
  });
  ctx.restore();
}
