#!/usr/bin/env bash
# One training on several machines, by plain ssh:
#   scripts/machines/ssh.sh "alice@10.0.0.1 alice@10.0.0.2" train best --run runs/several
# The first machine writes. FOLDER: where the project is installed on each; PORT: one that is free.
set -euo pipefail
read -ra hosts <<< "$1"
shift
words=$(printf ' %q' "$@")
running=()
trap 'kill "${running[@]}" 2> /dev/null || true' EXIT
for i in "${!hosts[@]}"; do
    # -tt: what runs over there ends with its ssh here
    ssh -tt -o BatchMode=yes "${hosts[i]}" "cd ${FOLDER:-cats-dogs} && exec env KERAS_BACKEND=jax \
        KERAS_DISTRIBUTION_JOB_ADDRESSES=${hosts[0]#*@}:${PORT:-29500} \
        KERAS_DISTRIBUTION_NUM_PROCESSES=${#hosts[@]} KERAS_DISTRIBUTION_PROCESS_ID=$i \
        .venv/bin/catdog$words" < /dev/null &
    running+=($!)
done
for _ in "${hosts[@]}"; do
    wait -n || exit # the first that fails ends all
done
