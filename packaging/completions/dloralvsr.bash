# bash completion for dloralvsr

_dloralvsr_values() {
  case $1 in
    --deinterlace) echo auto off on field ;;
    --hw) echo auto off ;;
    --codec) echo h264 hevc av1 vp9 prores ffv1 ;;
    --format) echo mkv mp4 mov webm ;;
    --provider) echo auto cpu openvino cuda tensorrt webgpu tensorrt-rtx ;;
    --precision) echo auto fp32 fp16 bf16 int8 ;;
    --color-fix) echo pack none adain wavelet ;;
    --speed-preset) echo ultrafast superfast veryfast faster fast medium slow slower veryslow placebo ;;
    --model) echo auto tiny small large ;;
  esac
}

_dloralvsr() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
  local options='--scale --height --fit --size --start --end --frames --preview --force --resume --out --format --strict --stream --fps --deinterlace --codec --crf
    --speed-preset --hw --json --list-devices --install-runtime --help --version --model --provider --precision --device-id --threads
    --color-fix --tile-size --tile-overlap --scene-threshold --restore-interval
    --temporal-blend --cache-dir'
  case $before in
    --deinterlace | --codec | --format | --provider | --precision | --color-fix | --speed-preset | --hw)
      mapfile -t COMPREPLY < <(compgen -W "$(_dloralvsr_values "$before")" -- "$word")
      ;;
    --model)
      mapfile -t COMPREPLY < <(compgen -W "$(_dloralvsr_values "$before")" -- "$word"; compgen -d -- "$word")
      ;;
    --out | --cache-dir)
      mapfile -t COMPREPLY < <(compgen -d -- "$word")
      ;;
    --scale | --height | --fit | --size | --start | --end | -n | --frames | --preview | --stream | --fps | --crf | --device-id | --threads | \
      --tile-size | --tile-overlap | --scene-threshold | --restore-interval | --temporal-blend)
      COMPREPLY=()
      ;;
    *)
      if [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
      else
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
      fi
      ;;
  esac
}

complete -o filenames -F _dloralvsr dloralvsr
