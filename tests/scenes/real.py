"""real.py - the real counterparts that tests/real/install.sh has put into tests/.real: where they are, ports for them, and
processes that end with the scene."""
import glob
import os
import random
import signal
import socket
import subprocess

from lib import HERE, Skip

REAL = os.path.join(HERE, "..", "real")
INSTALLED = os.path.join(HERE, "..", ".real")


def installed(part, pattern):
    """The path of an installed part; Skip, with the installer's reason, when it is not here."""
    found = glob.glob(os.path.join(INSTALLED, part, pattern))
    if found and os.path.exists(os.path.join(INSTALLED, part, "installed")):
        return os.path.abspath(found[0])
    reason = os.path.join(INSTALLED, part + ".missing")
    raise Skip("%s is not installed: %s" % (part, open(reason).read().strip() if os.path.exists(reason) else "run make deps"))


def free_ports(n):
    """Ports nobody has, neither among those that the system gives to clients nor those of meshes (mesh.py), to be taken at once."""
    sockets = []
    try:
        while len(sockets) < n:
            s = socket.socket()
            try:
                s.bind(("127.0.0.1", random.randrange(22000, 32000)))
                sockets.append(s)
            except OSError:
                s.close()
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


class Process:
    """A program that says a line when it is ready and ends at TERM, at the end of its standard input, or is killed."""

    def __init__(self, args, errors, **environment):
        self.errors = errors
        self.process = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=open(errors, "ab"), text=True,
                                        env={**os.environ, **environment})

    def line(self):
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError("%s ended:\n%s" % (self.process.args, open(self.errors, errors="replace").read()[-3000:]))
        return line.strip()

    def stop(self, limit=30):
        """Gives what it still said."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.communicate(timeout=limit)[0]
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise AssertionError("%s does not stop" % self.process.args)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)  # a mesh takes its own processes with it
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()
