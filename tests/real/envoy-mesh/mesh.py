#!/usr/bin/env python3
"""Starts the mesh: six real Envoys and four applications on 127.0.0.1, until TERM, INT or the end of its standard input.

usage: mesh.py ENVOY FOLDER NAME=VALUE ...     (provider=otlp_http otlp_http=4318 ...: bootstrap.py says which)

Once every proxy is ready it prints the plan's path. FOLDER gets plan.json, the truth of the applications (truth-*.jsonl), logs.
By hand:  mesh.py tests/.real/envoy/lib/python3*/site-packages/envoy/_bin/envoy /tmp/mesh provider=otlp_http otlp_http=4318
          drive.py /tmp/mesh/plan.json /tmp/mesh/truth-client.jsonl
"""
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time

import bootstrap
import plan as mesh_plan

HERE = os.path.dirname(os.path.abspath(__file__))


def reserve_block():
    """The first port of a block that nobody uses, below those that the system gives to clients, and the socket on the block's
    guard port that keeps other meshes out of it as long as it is open."""
    for _ in range(200):
        first = random.randrange(12000, 22000, mesh_plan.PORTS)
        sockets = []
        try:
            for port in range(first, first + mesh_plan.PORTS):
                sockets.append(socket.socket())
                sockets[-1].bind(("127.0.0.1", port))
            return first, sockets.pop(mesh_plan.GUARD)
        except OSError:
            continue
        finally:
            for s in sockets:
                s.close()
    raise SystemExit("no %d free ports in a row" % mesh_plan.PORTS)


def make_certificates(plan, folder):
    """An authority, and a certificate with the SPIFFE id of each proxy: what mutual TLS in a mesh needs."""
    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *key, "-days", "30", "-subj", "/O=cluster.local", "-keyout", "ca.key", "-out", "ca.pem")
    for name, service in plan["services"].items():
        with open(os.path.join(folder, name + ".ext"), "w") as f:
            f.write("subjectAltName=critical,URI:%s\nextendedKeyUsage=serverAuth,clientAuth\n" % service["spiffe"])
        openssl("req", *key, "-subj", "/", "-keyout", name + ".key", "-out", name + ".csr")
        openssl("x509", "-req", "-in", name + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30",
                "-extfile", name + ".ext", "-out", name + ".pem")


def answers(port, path):
    try:
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        c.request("GET", path)
        return c.getresponse().status == 200
    except OSError:
        return False


def start_all(envoy, plan, paths, folder):
    processes = []
    for name in mesh_plan.applications(plan):
        processes.append(subprocess.Popen(
            [plan["settings"].get("applications") or sys.executable, os.path.join(HERE, "service.py"), name, os.path.join(folder, "plan.json"),
             os.path.join(folder, "truth-%s.jsonl" % name)], stdin=subprocess.DEVNULL,
            stderr=open(os.path.join(folder, "service-%s.err" % name), "wb")))
    for name, path in paths.items():
        processes.append(subprocess.Popen(
            [envoy, "-c", path, "--concurrency", "1", "--disable-hot-restart", "--file-flush-interval-msec", "200",
             "--skip-deprecated-logs", "-l", "warning", "--log-path", os.path.join(folder, "envoy-%s.out" % name)],
            stdin=subprocess.DEVNULL, stderr=open(os.path.join(folder, "envoy-%s.err" % name), "wb")))
    return processes


def wait_until_ready(plan, processes, limit=60):
    """Gives whether all answer; False when one has ended, its port taken by somebody else meanwhile."""
    end = time.monotonic() + limit
    waiting = [(s["ports"]["admin"], "/ready") for s in plan["services"].values()]
    waiting += [(plan["services"][name]["ports"]["app"], "/-/working") for name in mesh_plan.applications(plan)]
    while waiting and time.monotonic() < end and all(p.poll() is None for p in processes):
        waiting = [w for w in waiting if not answers(*w)]
        time.sleep(0.05)
    return not waiting and all(p.poll() is None for p in processes)


def stop(processes):
    for p in processes:
        p.terminate()
    for p in processes:
        try:
            p.wait(10)
        except subprocess.TimeoutExpired:
            p.kill()
            p.wait()


def main():
    envoy, folder = sys.argv[1], os.path.abspath(sys.argv[2])
    settings = dict(arg.split("=", 1) for arg in sys.argv[3:])
    settings = {k: int(v) if v.isdigit() else v for k, v in settings.items()}
    os.makedirs(folder, exist_ok=True)
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    for _ in range(3):
        first_port, guard = reserve_block()
        plan = mesh_plan.make(first_port, **settings)
        with open(os.path.join(folder, "plan.json"), "w") as f:
            json.dump(plan, f, indent=1)
        make_certificates(plan, folder)
        processes = start_all(envoy, plan, bootstrap.write(plan, folder), folder)
        try:
            if wait_until_ready(plan, processes):
                print(os.path.join(folder, "plan.json"), flush=True)
                threading.Thread(target=lambda: (sys.stdin.read(), done.set()), daemon=True).start()
                while not done.wait(0.5) and all(p.poll() is None for p in processes):
                    pass
                return 0 if done.is_set() else 1
        finally:
            stop(processes)
            guard.close()
    raise SystemExit("the mesh does not get ready; see %s/*.err and *.out" % folder)


sys.exit(main())
