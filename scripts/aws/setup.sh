#!/bin/bash
# Sets the machine up, as root, from the project's clone in the user's home:
#   setup.sh IDLE_MINUTES MAX_HOURS
# Each step is noted in ~/.catdog/setup. It may be run again after it has failed or was cut off.
set -eu -o pipefail
idle_minutes=$1 max_hours=$2
user=ubuntu
home=/home/$user
units=/etc/systemd/system
project=$home/project
notes=$home/.catdog

as_user() { runuser -u "$user" -- env HOME="$home" "$@"; }
step() { echo "$1" | tee -a "$notes/setup"; }

step "looking for the GPU"
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader | tee -a "$notes/gpu"

step "installing Python's tools"
export DEBIAN_FRONTEND=noninteractive
# A new machine updates itself meanwhile, and "update" does not wait for the lock as "install" does.
for _ in {1..60}; do
    apt-get -qq update && break
    sleep 10
done
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
install -D -m 755 "$project/scripts/aws/idle_stop.py" /opt/catdog/idle_stop.py
cat > "$units/catdog-idle.service" <<UNIT
[Unit]
Description=Stop the machine when nobody uses it
After=catdog-jupyter.service
[Service]
RuntimeDirectory=catdog
RuntimeDirectoryPreserve=yes
ExecStart=/usr/bin/python3 /opt/catdog/idle_stop.py --idle-minutes $idle_minutes \
    --max-hours $max_hours --jupyter http://127.0.0.1:8888 --token-file $notes/token \
    --warnings /run/catdog/warnings
Restart=always
RestartSec=30
[Install]
WantedBy=multi-user.target
UNIT
systemctl daemon-reload
systemctl enable catdog-jupyter.service catdog-idle.service
systemctl restart catdog-jupyter.service catdog-idle.service
loginctl enable-linger "$user"  # so that "catdog aws run" goes on when its reader has left
