#!/bin/bash
# Restore one part of a video: a task of a Slurm array job. Submit it in this folder, after the plan was made:
#
#     count=$(python3 parts.py plan INPUT FOLDER --count 100 -- --model small --provider cpu --threads 4)
#     job=$(sbatch --parsable --array=0-$((count - 1)) --cpus-per-task=4 slurm.sh FOLDER)
#     sbatch --dependency=afterok:"$job" --wrap "python3 join.py FOLDER OUTPUT"
#
# FOLDER and INPUT are on storage that all nodes share. The second line submitted again restores what is missing.
#SBATCH --job-name=dloralvsr
#SBATCH --requeue
set -euo pipefail

exec python3 parts.py run "$1" "$SLURM_ARRAY_TASK_ID"
