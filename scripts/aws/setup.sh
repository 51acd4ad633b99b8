#!/bin/bash
# Sets the machine up, once, as root, from the project's clone in the user's home:
#   setup.sh IDLE_MINUTES MAX_HOURS
# Each step is noted in ~/.catdog/setup; the last line is "ready", or "failed: " and the step.
set -euE -o pipefail
idle_minutes=$1 max_hours=$2
user=${CATDOG_USER:-ubuntu}
home=${CATDOG_USER_HOME:-/home/$user}
units=${CATDOG_UNITS:-/etc/systemd/system}
own=${CATDOG_OWN:-/opt/catdog}
project=$home/project
notes=$home/.catdog

as_user() { runuser -u "$user" -- env HOME="$home" "$@"; }
step() { echo "$1" | tee -a "$notes/setup"; }
failed() {
    echo "failed: $(tail -n 1 "$notes/setup")" >> "$notes/setup"
    systemd-run --on-active=30min systemctl poweroff  # time to look, not to forget
    exit 1
}
trap failed ERR
as_user mkdir -p -m 700 "$notes"

step "setting the limit of $max_hours hours"
# Counted by systemd from every start, and so even if all that follows fails.
cat > "$units/catdog-limit.service" <<UNIT
[Unit]
Description=Stop the machine
[Service]
Type=oneshot
ExecStart=/usr/bin/systemctl poweroff
UNIT
cat > "$units/catdog-limit.timer" <<UNIT
[Unit]
Description=Stop the machine $max_hours hours after its start
[Timer]
OnBootSec=${max_hours}h
[Install]
WantedBy=timers.target
UNIT
systemctl daemon-reload
systemctl enable --now catdog-limit.timer

step "looking for the GPU"
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader | tee -a "$notes/gpu"

step "installing Python's tools"
export DEBIAN_FRONTEND=noninteractive
apt-get -qq -o DPkg::Lock::Timeout=600 update
apt-get -qq -o DPkg::Lock::Timeout=600 install -y git make python3-venv

step "installing the packages (some minutes)"
as_user python3 -m venv "$project/.venv"
python=$project/.venv/bin/python
as_user "$python" -m pip install -q --disable-pip-version-check --no-cache-dir \
    --require-hashes -r "$project/requirements/gpu.txt"
as_user "$python" -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e "$project"

step "drawing the sample photos"
as_user "$project/.venv/bin/catdog" data sample > /dev/null

step "starting Jupyter"
# The token is made here, is read from this file only, and leaves the machine over SSH alone.
as_user "$python" - "$notes/token" <<'PYTHON'
import os, secrets, sys
handle = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
os.fchmod(handle, 0o600)
os.write(handle, secrets.token_urlsafe(32).encode())
PYTHON
cat > "$units/catdog-jupyter.service" <<UNIT
[Unit]
Description=Jupyter, on this machine's loopback only
After=network-online.target
[Service]
User=$user
WorkingDirectory=$project
Environment=JUPYTER_TOKEN_FILE=$notes/token
ExecStart=$project/.venv/bin/jupyter lab --no-browser --ServerApp.ip=127.0.0.1 \
    --ServerApp.port=8888 --ServerApp.port_retries=0 --ServerApp.root_dir=$project
Restart=on-failure
NoNewPrivileges=yes
[Install]
WantedBy=multi-user.target
UNIT

step "starting the watch that stops an idle machine"
# A copy that root alone can change: notebooks run as $user and must not choose what root runs.
install -D -m 755 "$project/scripts/aws/idle_stop.py" "$own/idle_stop.py"
cat > "$units/catdog-idle.service" <<UNIT
[Unit]
Description=Stop the machine when nobody uses it
After=catdog-jupyter.service
[Service]
ExecStart=/usr/bin/python3 $own/idle_stop.py --idle-minutes $idle_minutes \
    --max-hours $max_hours --jupyter http://127.0.0.1:8888 --token-file $notes/token
Restart=always
RestartSec=30
[Install]
WantedBy=multi-user.target
UNIT
systemctl daemon-reload
systemctl enable --now catdog-jupyter.service catdog-idle.service

step "ready"
