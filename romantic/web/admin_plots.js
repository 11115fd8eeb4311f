// Small plots of days: bars or a line, with axis, a title for screen readers, and no script in the markup.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 320;
const HEIGHT = 120;
const LEFT = 34;
const BOTTOM = 18;
const TOP = 8;

/** `parts` are [name, key, class]; bars are stacked from the bottom in their order. */
export function bars(title, days, parts) {
  const sums = days.map((day) => parts.reduce((sum, [, key]) => sum + day[key], 0));
  const plot = frame(title, days, 0, ceiling(Math.max(1, ...sums)), 0);
  const step = (WIDTH - LEFT) / days.length;
  days.forEach((day, at) => {
    let below = 0;
    for (const [name, key, kind] of parts) {
      const value = day[key];
      if (!value) continue;
      const from = plot.y(below + value);
      const bar = draw("rect", {
        class: `bar ${kind}`, x: LEFT + at * step + step * 0.15, width: step * 0.7, y: from, height: plot.y(below) - from,
      });
      bar.append(draw("title", {}, `${day.day}: ${value} ${name}`));
      plot.svg.append(bar);
      below += value;
    }
  });
  return figure(title, plot.svg, parts, `today ${sums.at(-1)}`);
}

/** One value a day; days without one are gaps. */
export function line(title, days, key, { least, most, digits }) {
  const plot = frame(title, days, least, most, digits);
  const step = (WIDTH - LEFT) / days.length;
  let path = "";
  days.forEach((day, at) => {
    if (day[key] === null) return;
    const [x, y] = [LEFT + (at + 0.5) * step, plot.y(day[key])];
    path += `${at > 0 && days[at - 1][key] !== null ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    const dot = draw("circle", { class: "dot", cx: x, cy: y, r: 2.5 });
    dot.append(draw("title", {}, `${day.day}: ${day[key].toFixed(digits)}`));
    plot.svg.append(dot);
  });
  if (path) plot.svg.append(draw("path", { class: "line", d: path }));
  const last = days.at(-1)[key];
  return figure(title, plot.svg, [], last === null ? "today none yet" : `today ${last.toFixed(digits)}`);
}

function frame(title, days, least, most, digits) {
  const svg = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", class: "plot" });
  const about = `${title}, ${days[0].day} to ${days.at(-1).day}. The numbers are in the table below.`;
  svg.append(draw("title", {}, title), draw("desc", {}, about));
  const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - (value - least) / (most - least));
  for (const value of [least, (least + most) / 2, most]) {
    svg.append(draw("line", { class: "grid", x1: LEFT, x2: WIDTH, y1: y(value), y2: y(value) }));
    const isWhole = Number.isInteger(value) || digits > 0;
    if (isWhole) svg.append(draw("text", { x: LEFT - 4, y: y(value) + 3, class: "scale" }, compact(value, digits)));
  }
  svg.append(
    draw("text", { x: LEFT, y: HEIGHT - 4, class: "from" }, days[0].day.slice(5)),
    draw("text", { x: WIDTH, y: HEIGHT - 4, class: "to" }, days.at(-1).day.slice(5)),
  );
  return { svg, y };
}

function figure(title, svg, parts, today) {
  const element = document.createElement("figure");
  element.className = "card";
  element.dataset.testid = "plot";
  const caption = document.createElement("figcaption");
  const name = Object.assign(document.createElement("b"), { textContent: title });
  const now = Object.assign(document.createElement("span"), { className: "quiet", textContent: today });
  caption.append(name, now);
  element.append(caption, svg);
  if (parts.length > 1) {
    const legend = Object.assign(document.createElement("p"), { className: "legend quiet" });
    legend.append(...parts.map(([label, , kind]) =>
      Object.assign(document.createElement("span"), { className: kind, textContent: label })));
    element.append(legend);
  }
  return element;
}

function draw(name, attributes, text = "") {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.textContent = text;
  return element;
}

/** The next round number, so that the scale reads well: 1, 2, 5 or 10 times a power of ten. */
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 6, 10].find((step) => step * power >= value) * power;
}

function compact(value, digits) {
  return value >= 10000 ? `${value / 1000}k` : value.toFixed(Number.isInteger(value) ? 0 : digits);
}
