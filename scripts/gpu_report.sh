#!/usr/bin/env bash
# What every execution provider of this machine does with a pack: speed, start-up, memory, and how far its pictures are
# from the CPU's. For docs/performance.md, and to attach to a report of a fault.
#
#     scripts/gpu_report.sh [--cpu] [--out FILE.json] [PACK...]
#
# --cpu leaves out the GPUs' providers. Packs by name or folder; default: tiny and small. Needs cargo, or the examples
# `throughput` and `restore_raw` in target/release; GStreamer is not needed, and used where it is. Each part has its own
# limit of time, and all of it takes eight minutes at most. A provider that cannot run is in the report with its error.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

limit=45
whole=480
sizes=(320x180 1280x720)
providers=(cpu openvino cuda tensorrt tensorrt-rtx webgpu)
out=
packs=()
while (($# > 0)); do
  case $1 in
    --cpu)
      providers=(cpu openvino)
      sizes=(320x180)
      shift
      ;;
    --out)
      out=${2:?--out takes a file}
      shift 2
      ;;
    -h | --help)
      sed -n '2,/^# shellcheck/ { /^# shellcheck/d; s/^# \{0,1\}//p }' "${BASH_SOURCE[0]}"
      exit 0
      ;;
    -*) die "unknown option $1: see --help" ;;
    *)
      packs+=("$1")
      shift
      ;;
  esac
done
((${#packs[@]} > 0)) || packs=(tiny small)
cd "$root"
target=${CARGO_TARGET_DIR:-$root/target}
bin=$target/release/examples
if use_rust; then
  cargo build --quiet --release --no-default-features --example throughput --example restore_raw
fi
[[ -x $bin/throughput && -x $bin/restore_raw ]] || die "$bin holds no throughput and restore_raw: build them with cargo"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A clip of a few frames that needs no file to be read, the same everywhere.
python3 - "$work/clip.rgb" <<'PYTHON'
import sys

with open(sys.argv[1], "wb") as file:
    for t in range(3):
        file.write(bytes((x * 7 ^ (y * 5 + t) ^ c * 40) & 255 for y in range(96) for x in range(160) for c in range(3)))
PYTHON

# part NAME COMMAND...: its output, or its error, as one line of the report.
part() {
  local name=$1
  shift
  if ((SECONDS > whole - limit)); then
    json_line "$name" skipped "there was no time left" >>"$work/lines"
    return
  fi
  if timeout "$limit" "$@" >"$work/out" 2>"$work/err"; then
    json_line "$name" result "$(cat "$work/out")" >>"$work/lines"
  elif (($? == 124)); then
    json_line "$name" error "it took longer than $limit s" >>"$work/lines"
  else
    json_line "$name" error "$(tail -n 3 "$work/err")" >>"$work/lines"
  fi
}

# A line of JSON: a result that is JSON itself stays that.
json_line() {
  python3 - "$@" <<'PYTHON'
import json
import sys

name, kind, text = sys.argv[1:]
try:
    value = json.loads(text)
except ValueError:
    value = text
print(json.dumps({"part": name, kind: value}))
PYTHON
}

# Largest difference of a provider's pictures from the CPU's, in levels.
difference() {
  "$bin/restore_raw" --model "$1" --execution-provider "$2" 160x96 <"$work/clip.rgb" >"$work/theirs.rgb" || return 1
  python3 - "$work/cpu.rgb" "$work/theirs.rgb" <<'PYTHON'
import json
import sys

ours, theirs = (open(path, "rb").read() for path in sys.argv[1:])
if len(ours) != len(theirs):
    sys.exit("the pictures have not the same size")
differences = [abs(a - b) for a, b in zip(ours, theirs)]
print(json.dumps({"largest": max(differences), "over_two": sum(d > 2 for d in differences) / len(differences)}))
PYTHON
}

# `timeout` runs programs, so the function goes to a shell.
export -f difference
export bin work

part machine bash -c 'uname -srm; grep -m 1 "model name" /proc/cpuinfo; nproc; nvidia-smi -L 2>/dev/null || echo "no NVIDIA GPU"'
part installed "$root/scripts/install.sh" --list
for pack in "${packs[@]}"; do
  say "== $pack"
  "$bin/restore_raw" --model "$pack" --execution-provider cpu 160x96 <"$work/clip.rgb" >"$work/cpu.rgb"
  for provider in "${providers[@]}"; do
    for size in "${sizes[@]}"; do
      part "speed $pack $provider $size" "$bin/throughput" --json --model "$pack" --execution-provider "$provider" --frames 20 "$size"
    done
    part "difference $pack $provider" bash -c 'difference "$@"' bash "$pack" "$provider"
  done
done
if command -v gst-launch-1.0 >/dev/null && [[ -f $target/release/libgstdloralvsr.so ]]; then
  export GST_PLUGIN_PATH=$target/release
  part "element tiny auto" gst-launch-1.0 videotestsrc num-buffers=50 ! video/x-raw,width=320,height=180 ! dloralvsr ! fakesink
fi

out=${out:-$root/measurements/gpu-$(date +%Y-%m-%d).json}
python3 - "$work/lines" "$out" <<'PYTHON'
import json
import os
import sys

# Paths of the home folder are nobody's business.
text = open(sys.argv[1], encoding="utf-8").read().replace(os.environ.get("HOME", "/nowhere") + "/", "~/")
lines = [json.loads(line) for line in text.splitlines()]
with open(sys.argv[2], "w", encoding="utf-8") as file:
    json.dump(lines, file, indent=1)
    file.write("\n")
print(f"{'part':36} {'frames/s':>9} {'ms':>8} {'first ms':>9} {'MiB':>6}")
for line in lines:
    name, result = line["part"], line.get("result")
    if isinstance(result, dict) and "stages_ms" in result:
        start = sum(result["start_up_ms"].values())
        total = result["stages_ms"]["total"]["median"]
        print(f"{name:36} {result['frames_per_second']:9.1f} {total:8.1f} {start:9.0f} {result['peak_rss_mib'] or 0:6.0f}")
    elif isinstance(result, dict):
        print(f"{name:36} largest {result['largest']} levels, {100 * result['over_two']:.3f} % over two")
    elif result is None:
        print(f"{name:36} {(line.get('error') or line.get('skipped')).strip().splitlines()[-1][:110]}")
PYTHON
say "written to $out"
