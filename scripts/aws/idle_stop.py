#!/usr/bin/env python3
"""Shut this machine down when nobody uses it, and at a hard limit of hours in any case.

One file that needs only Python's standard library, run by systemd as root:

    idle_stop.py --idle-minutes 30 --max-hours 8 --jupyter http://127.0.0.1:8888 \\
        --token-file TOKEN

The machine is in use while, within the last idle minutes,

- a kernel was busy or had something to say (Jupyter's own record of it). An open notebook alone
  is no use: a browser tab forgotten over the weekend must not cost a weekend;
- someone typed into a terminal, of JupyterLab or of an SSH or Session Manager login. What a
  terminal prints is no use: a command that repeats itself would hold the machine for hours;
- files were copied to it or from it over SSH;
- a GPU computed, or the processor did (the load average): training started over SSH in the
  background has neither a kernel nor a terminal;
- Jupyter answered, if it does so no longer: it may have been at work, but one that died must not
  keep the machine up for ever.

Sessions, sockets and mere logins are no use of the machine. What is in doubt counts as use, and
the hard limit, counted from the start of the machine, ends every mistake.
"""

from __future__ import annotations

import argparse
import datetime
import glob
import http.client
import json
import os
import subprocess
import sys
import time
import urllib.request

GPU_PERCENT = 5  # of one GPU; an open but idle context is at 0
LOAD = 0.5  # processes that want to compute, averaged over a minute; an idle machine is below 0.1
IDLE_WARNINGS = (5, 1)  # minutes before the end
LIMIT_WARNINGS = (15, 5, 1)
COPIERS = ("sftp-server", "scp", "rsync")
UNKNOWN = (OSError, http.client.HTTPException, ValueError, KeyError, TypeError)


class Machine:
    """What is read from this machine and done to it; tests put their own in its place."""

    def __init__(self, warnings=None):
        self.warnings = warnings  # the file that warnings are written to

    def wall(self):
        """Return the time of day: seconds since 1970."""
        return time.time()

    def up(self):
        """Return the seconds since the machine was started; setting its clock changes nothing."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def sleep(self, seconds):
        time.sleep(seconds)

    def load(self):
        return os.getloadavg()[0]

    def gpu(self):
        """Return the utilization of the busiest GPU in percent, or None if none can be asked."""
        line = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
        try:
            said = subprocess.run(line, capture_output=True, text=True, timeout=20, check=True)
            return max((int(n) for n in said.stdout.split() if n.isdigit()), default=None)
        except (OSError, subprocess.SubprocessError):
            return None

    def typed(self):
        """Return when someone last typed into a terminal of this machine, or None.

        That is when it was last read from, as in `w`. When it was last written to does not
        count: our own warnings are.
        """
        times = []
        for path in glob.glob("/dev/pts/[0-9]*"):
            try:
                times.append(os.stat(path).st_atime)
            except OSError:
                continue
        return max(times, default=None)

    def copied(self):
        """Return how many bytes the programs that copy files over SSH have read and written."""
        total = 0
        for path in glob.glob("/proc/[0-9]*"):
            try:
                with open(f"{path}/comm", encoding="utf-8") as stream:
                    if stream.read().strip() not in COPIERS:
                        continue
                with open(f"{path}/io", encoding="utf-8") as stream:
                    lines = dict(line.split(": ") for line in stream)
                total += int(lines["rchar"]) + int(lines["wchar"])
            except (OSError, KeyError, ValueError):  # it has just ended
                continue
        return total

    def warn(self, text):
        """Say it in every terminal, and to who is connected: no terminal of JupyterLab shows it."""
        if self.warnings:
            try:
                with open(self.warnings, "a", encoding="utf-8") as stream:
                    stream.write(f"{text}\n")
            except OSError:
                pass
        try:
            subprocess.run(["wall", text], timeout=20, check=False)
        except (OSError, subprocess.SubprocessError):
            pass

    def shutdown(self):
        """Begin to shut down; return whether that could be done."""
        for line in (["shutdown", "-h", "now"], ["systemctl", "poweroff"]):
            try:
                if subprocess.run(line, timeout=60, check=False).returncode == 0:
                    return True
            except (OSError, subprocess.SubprocessError):
                continue
        return False


class Jupyter:
    """Asks a Jupyter server what goes on in it."""

    def __init__(self, url, token_file):
        self.url, self.token_file = url.rstrip("/"), token_file
        # what this computer uses as a proxy has no part in it
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def get(self, path):
        with open(self.token_file, encoding="utf-8") as stream:
            token = stream.read().strip()
        # no_track_activity: to be asked is no activity
        request = urllib.request.Request(
            f"{self.url}/{path}?no_track_activity=1", headers={"Authorization": f"token {token}"}
        )
        with self.opener.open(request, timeout=20) as answer:
            return json.load(answer)

    def activity(self, now):
        """Return when something was last done there, and what: (seconds since 1970, text).

        Raises:
            OSError, ValueError: it cannot be asked.
        """
        last, what = 0.0, "nothing yet in Jupyter"
        for kernel in self.get("api/kernels"):
            if kernel["execution_state"] == "busy":
                return now, f"kernel {kernel['id'][:8]} is busy"
            when = seconds(kernel["last_activity"])
            if when > last:
                last, what = when, f"kernel {kernel['id'][:8]} was active"
        return min(last, now), what


def seconds(stamp):
    """Turn Jupyter's 2026-01-31T12:00:00.123456Z into seconds since 1970."""
    return datetime.datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()


class Watch:
    """Decides, at each check, whether the machine is in use.

    Args:
        machine, jupyter: what to ask.
        idle_minutes: stop after so many without use.
        max_hours: stop after so many since the machine was started, in use or not.
    """

    def __init__(self, machine, jupyter, idle_minutes, max_hours, say=print):
        self.machine, self.jupyter, self.say = machine, jupyter, say
        self.idle, self.limit = idle_minutes * 60, max_hours * 3600
        self.used = self.answered = machine.up()  # in the machine's seconds since its start
        self.what = "the watch began"
        self.warned = set()
        self.copied = machine.copied()

    def look(self):
        """Note the last use of the machine and what it was."""
        up, wall = self.machine.up(), self.machine.wall()
        found = []
        try:
            when, what = self.jupyter.activity(wall)
            found.append((up - (wall - when), what))
            self.answered = up
        except UNKNOWN as error:
            # a kernel may have been busy until now, for all we know; so the minutes count from here
            found.append((self.answered, "Jupyter answered"))
            self.say(f"Jupyter cannot be asked ({type(error).__name__})", flush=True)
        if (typed := self.machine.typed()) is not None:
            found.append((up - max(wall - typed, 0), "someone typed into a terminal"))
        if (percent := self.machine.gpu()) is not None and percent >= GPU_PERCENT:
            found.append((up, f"a GPU is at {percent}%"))
        if (load := self.machine.load()) >= LOAD:
            found.append((up, f"the load is {load:.1f}"))
        if (copied := self.machine.copied()) > self.copied:
            found.append((up, "files were copied over SSH"))
        self.copied = copied
        when, what = max(found, default=(0, ""))
        if when >= self.used:
            self.used, self.what = when, what
            self.warned = {which for which in self.warned if which[0] == "limit"}

    def check(self):
        """Look once; return why to stop now, or None. Warns when the end is near."""
        self.look()
        up = self.machine.up()
        to_idle, to_limit = self.idle - (up - self.used), self.limit - up
        if to_limit <= 0:
            return f"the machine has been up for {self.limit / 3600:g} hours, its limit"
        if to_idle <= 0:
            return f"nobody has used the machine for {self.idle / 60:g} minutes"
        self._warn("limit", LIMIT_WARNINGS, to_limit, self.limit, "its limit of hours is reached")
        self._warn("idle", IDLE_WARNINGS, to_idle, self.idle, "nobody is using it")
        return None

    def _warn(self, kind, minutes, left, whole, why):
        due = {(kind, m) for m in minutes if left <= m * 60 < whole}
        if due - self.warned:
            self.warned |= due
            self.machine.warn(f"This machine stops in {max(1, round(left / 60))} min: {why}.")

    def run(self, every, dry_run=False):
        """Check every so many seconds, until it is time to shut down."""
        told = None
        while True:
            reason = self.check()
            if reason:
                self.say(f"stopping: {reason}; last use: {self.what}", flush=True)
                self.machine.warn(f"This machine stops now: {reason}.")
                if dry_run:
                    self.say("dry run: nothing is shut down", flush=True)
                    return
                if self.machine.shutdown():
                    return
                self.say("it could not be shut down; trying again", flush=True)
            elif self.what != told:
                self.say(f"in use: {self.what}", flush=True)
                told = self.what
            self.machine.sleep(every)


def positive(text):
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError("must be more than 0")
    return number


def main(argv=None):
    parser = argparse.ArgumentParser(description="Shut this machine down when nobody uses it.")
    parser.add_argument("--idle-minutes", type=positive, default=30, help="default: 30")
    parser.add_argument("--max-hours", type=positive, default=8, help="since start; default: 8")
    parser.add_argument("--jupyter", default="http://127.0.0.1:8888", metavar="URL")
    parser.add_argument("--token-file", required=True, metavar="PATH")
    parser.add_argument("--warnings", metavar="PATH", help="write what is said there, too")
    parser.add_argument("--check-every", type=positive, default=60, metavar="SECONDS")
    parser.add_argument("--dry-run", action="store_true", help="say it, but shut nothing down")
    args = parser.parse_args(argv)
    jupyter = Jupyter(args.jupyter, args.token_file)
    watch = Watch(Machine(args.warnings), jupyter, args.idle_minutes, args.max_hours)
    watch.run(args.check_every, args.dry_run)
    return 0


if __name__ == "__main__":
    sys.exit(main())
