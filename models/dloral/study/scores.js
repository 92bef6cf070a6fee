"use strict";

// The scores of Bradley and Terry: the arithmetic of scores.py, for the page.
const ADDED = 0.5;

// points[i][j] is what pack i got against pack j; the scores have the mean 0.
function strengths(points) {
  const count = points.length;
  const got = points.map((row, i) => row.map((value, j) => (i === j ? 0 : value + ADDED)));
  const won = got.map((row) => row.reduce((sum, value) => sum + value, 0));
  let weight = new Array(count).fill(1);
  for (let step = 0; step < 10000; step++) {
    const next = weight.map((own, i) => {
      let sum = 0;
      for (let j = 0; j < count; j++) if (j !== i) sum += (got[i][j] + got[j][i]) / (own + weight[j]);
      return won[i] / sum;
    });
    const mean = Math.exp(next.reduce((sum, value) => sum + Math.log(value), 0) / count);
    const scaled = next.map((value) => value / mean);
    const change = Math.max(...scaled.map((value, i) => Math.abs(Math.log(value / weight[i]))));
    weight = scaled;
    if (change < 1e-9) break;
  }
  return weight.map(Math.log);
}

function pointsOf(votes, packs) {
  const points = packs.map(() => packs.map(() => 0));
  for (const vote of votes) {
    const [left, right] = [packs.indexOf(vote.left), packs.indexOf(vote.right)];
    const share = { left: 1, right: 0, neither: 0.5 }[vote.choice];
    points[left][right] += share;
    points[right][left] += 1 - share;
  }
  return points;
}

// As many clips as there are, drawn with replacement, and of each as many votes as it has.
function resampled(votes) {
  const clips = Map.groupBy ? Map.groupBy(votes, (vote) => vote.clip) : grouped(votes);
  const draw = (list) => list.map(() => list[Math.floor(Math.random() * list.length)]);
  return draw([...clips.values()]).flatMap(draw);
}

function grouped(votes) {
  const clips = new Map();
  for (const vote of votes) clips.set(vote.clip, [...(clips.get(vote.clip) ?? []), vote]);
  return clips;
}

// A value with the middle 95 % of what the resamples gave.
function range(value, samples) {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (share) => {
    const place = share * (sorted.length - 1);
    const below = Math.floor(place);
    const above = Math.min(below + 1, sorted.length - 1);
    return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
  };
  return { value, low: at(0.025), high: at(0.975) };
}

function scored(votes, packs, resamples) {
  const points = pointsOf(votes, packs);
  const fitted = strengths(points);
  const samples = Array.from({ length: resamples }, () => strengths(pointsOf(resampled(votes), packs)));
  const sum = (values) => values.reduce((total, value) => total + value, 0);
  const standings = packs.map((pack, i) => ({
    pack,
    score: range(fitted[i], samples.map((sample) => sample[i])),
    points: sum(points[i]),
    votes: Math.round(sum(points[i]) + sum(points.map((row) => row[i]))),
  }));
  standings.sort((a, b) => b.score.value - a.score.value);
  return { standings, pairs: pairsOf(votes, packs, standings, fitted, samples) };
}

function pairsOf(votes, packs, standings, fitted, samples) {
  const chance = (scores, i, j) => 1 / (1 + Math.exp(scores[j] - scores[i]));
  const pairs = [];
  standings.forEach(({ pack: first }, at) => {
    for (const { pack: second } of standings.slice(at + 1)) {
      const own = votes.filter((v) => [first, second].includes(v.left) && [first, second].includes(v.right));
      if (!own.length) continue;
      const count = (pack) => own.filter((vote) => vote.choice !== "neither" && vote[vote.choice] === pack).length;
      const [i, j] = [packs.indexOf(first), packs.indexOf(second)];
      pairs.push({
        first,
        second,
        firstVotes: count(first),
        secondVotes: count(second),
        neither: own.filter((vote) => vote.choice === "neither").length,
        chance: range(chance(fitted, i, j), samples.map((sample) => chance(sample, i, j))),
      });
    }
  });
  return pairs;
}
