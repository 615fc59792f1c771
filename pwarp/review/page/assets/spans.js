// Stretches of frames, as lists of [first, last], both inclusive, in rising order and apart from each other.

export function withSpan(spans, first, last) {
  const joined = [];
  for (const [a, b] of spans) {
    if (b < first - 1 || a > last + 1) joined.push([a, b]);
    else [first, last] = [Math.min(a, first), Math.max(b, last)];
  }
  return [...joined, [first, last]].sort((p, q) => p[0] - q[0]);
}

export function withoutSpan(spans, first, last) {
  return spans.flatMap(([a, b]) => [[a, Math.min(b, first - 1)], [Math.max(a, last + 1), b]].filter(([p, q]) => p <= q));
}

export function spanAt(spans, frame) {
  return spans.find(([first, last]) => first <= frame && frame <= last);
}

export function sameSpans(a, b) {
  return a.length === b.length && a.every(([p, q], i) => p === b[i][0] && q === b[i][1]);
}
