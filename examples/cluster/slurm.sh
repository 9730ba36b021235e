#!/usr/bin/env bash
# A comparison as a SLURM job array: one training for each task, on one core each. DIR is on a file system that all nodes share.
#
#     abr-film compare --config lab.json --variants none,film,cross_attention --folds subject:5 --seeds 3 --out DIR --list > DIR.txt
#     sbatch --array=1-$(wc -l < DIR.txt) slurm.sh DIR.txt
#     abr-film compare --out DIR --gather
#
# A task that is killed leaves its training to the next one: submit the array again, and what is done is not done twice.
#SBATCH --cpus-per-task=1
#SBATCH --mem=2G
#SBATCH --time=04:00:00
set -euo pipefail
eval "$(sed -n "${SLURM_ARRAY_TASK_ID}p" "$1")"
