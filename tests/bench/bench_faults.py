#!/usr/bin/env python3
"""Where does the localiser say that it began? The simulator's faults, whose origins are known. bench_faults.py BUILD

Each case is ten minutes without a fault and five with one, about one sent request a second whatever the sampling: written by
`faultline simulate`, read by `faultline replay --db`, asked with `faultline diagnose`. Prints a table and what was missed, and
writes every case to BUILD/bench_faults.json. A figure is measured and never judged by an exit code.

    SEED=1      the seed from which every case draws its own; printed, so that a run can be had again
    CASES=9     cases of each kind; FULL=1: every kind on every mesh, at every sampling, from all kinds of senders
    ONLY=a,b    these kinds
    HELD_OUT=1  also the third of the kinds that nobody develops against, and seeds nobody has seen, each in a line of its own
"""
import collections
import hashlib
import itertools
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

BEGIN = 1_760_000_040  # a whole minute
BEFORE, AFTER = 600, 300  # seconds
MESHES = ("10", "50", "300")
SAMPLINGS = (1, 0.1, 0.01)
SENDERS = {"proxies and applications": (), "applications": ("--sidecars", "off"), "proxies": ("--applications", "off")}
DAY_RATE = 0.5  # requests a second of the quiet day
BUSY = 0.05  # of 300 requests 15 come by
OF_PROXIES = {"sidecar-overload"}  # no fault where there are none
COMBINATIONS = list(itertools.product(MESHES, SAMPLINGS, SENDERS))

program = os.path.join(os.path.abspath(sys.argv[1]), "faultline")
Case = collections.namedtuple("Case", "kind mesh sampling senders seed group")


def drawn(*of):
    """A number that is the same for the same texts everywhere."""
    return int.from_bytes(hashlib.sha256(" ".join(str(x) for x in of).encode()).digest()[:6], "big")


def run(*args, good=(0,)):
    p = subprocess.run([program, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300)
    if p.returncode not in good:
        raise RuntimeError("%s: %s" % (" ".join(args), p.stderr.decode().strip()))
    return p.stdout.decode()


# ---- which cases ----

def catalogue():
    """Kinds by whether an incident would be wrong, as the program lists them."""
    kinds = {}
    for line in run("simulate", "--mesh", "shop", "--fault", "list").splitlines():
        kinds[line.split()[0]] = line.endswith("(no incident)")
    return kinds


def held_out(kinds):
    """A third of the faults and a third of the quiet ones, by their names alone."""
    held = set()
    for quiet in (False, True):
        names = sorted((k for k, q in kinds.items() if q == quiet), key=lambda k: drawn("held out", k))
        held.update(names[::3])
    return held


def cases_of(kind, group, seed, n):
    """n combinations, each unlike the one before in all three respects."""
    first = drawn(seed, group, kind) % len(COMBINATIONS)
    for i in range(n):
        # Steps of 13 through 3 × 3 × 3 change all three at once, and come by all of them.
        mesh, sampling, senders = COMBINATIONS[(first + 13 * i) % len(COMBINATIONS)]
        yield Case(kind, mesh, sampling, senders, drawn(seed, group, kind, i), group)


def all_cases(kinds, seed):
    n = len(COMBINATIONS) if os.environ.get("FULL") else int(os.environ.get("CASES", "9"))
    only, held = os.environ.get("ONLY"), held_out(kinds)
    for kind in sorted(kinds):
        if only and kind not in only.split(","):
            continue
        if kind not in held:
            yield from cases_of(kind, "open", seed, n)
        if os.environ.get("HELD_OUT"):
            yield from cases_of(kind, "held-out kinds" if kind in held else "held-out seeds", seed, n)


# ---- one case ----

def simulate(case, folder, onset):
    if case.kind in OF_PROXIES and case.senders == "applications":
        raise RuntimeError("no proxies, no fault")
    common = ("simulate", "--mesh", case.mesh, "--fault", case.kind, "--seed", str(case.seed))
    # The fault depends on the seed alone: without traffic its first line of the truth costs nothing.
    head = run(*common, "--out", os.devnull, "--truth", "/dev/stdout", "--past", "0s", "--for", "0s").splitlines()[0]
    run(*common, "--out", os.path.join(folder, "spans"), "--from", str(BEGIN), "--past", "%ds" % BEFORE, "--for", "%ds" % AFTER,
        "--at", "%ds" % (onset - BEGIN - BEFORE), "--rate", "%g" % (1 / case.sampling), "--sampling", "%g" % case.sampling, *SENDERS[case.senders])
    return json.loads(head)


def diagnose(db, baseline, window):
    said = run("diagnose", "--db", db, "--baseline", "%d..%d" % baseline, "--from", str(window[0]), "--to", str(window[1]), "--format", "json",
               good=(0, 1, 4))
    return json.loads(said)


def is_origin(truth, suspect):
    """The service that it is in; of a step between two, either end, as long as no third is named with it."""
    names = {truth["service"]} | ({truth["peer"]} if truth["origin"] == "edge" else set())
    peer = suspect["peer"]["service"] if suspect["peer"] else None
    return suspect["node"]["service"] in names and not (truth["origin"] == "edge" and peer and peer not in names)


def rank_of(truth, answer):
    return next((s["rank"] for s in answer["suspects"] if is_origin(truth, s)), None)


def seconds_until(db, onset):
    """Until the end of the first minute whose diagnosis says incident: windows are whole minutes."""
    for end in range(onset // 60 * 60 + 60, BEGIN + BEFORE + AFTER + 1, 60):
        if diagnose(db, (BEGIN, onset // 60 * 60), (onset, end))["verdict"] == "incident":
            return end - onset
    return None


def opened(db, onset):
    """When, counted from the fault's onset, replay opened incidents by itself; those below zero are false alarms."""
    said = run("sql", "--db", db, "--format", "csv", "SELECT opened_ns FROM incident ORDER BY 1")
    return [int(at) / 1e9 - onset for at in re.findall(r"\d{19}", said)]


def passes(db, truth, onset, requests):
    """Calls that came by the origin, for each request since the onset, or before where none came since: what nobody passes, or no
    sender tells of, cannot be found."""
    if not truth["service"]:
        return None
    ends = [("caller" if truth["origin"] == "edge" else "callee", "service", truth["service"])]
    if truth["version"]:
        ends.append((ends[0][0], "version", truth["version"]))
    if truth["peer"]:
        ends.append(("callee", "service", truth["peer"]))
    said = run("sql", "--db", db, "--format", "csv",
               "SELECT coalesce(sum(calls), 0), coalesce(sum(iif(minute_ns >= %d000000000, calls, 0)), 0) FROM edge_minute WHERE %s" % (
                   onset // 60 * 60, " AND ".join("%s_%s = '%s'" % end for end in ends)))
    calls, since = (int(x) for x in said.split()[-1].split(","))
    return since / requests["now"]["n"] if since else calls / max(1, requests["baseline"]["n"])


def felt(db, onset):
    """Do users feel it at all, as incidents ask: of all requests since the onset 2 % more fail, 10 % more are slower than their entry's p95 before,
    or 2 % more than twice that."""
    said = run("sql", "--db", db, "--format", "csv",
               "WITH one AS (SELECT entry_service || ' ' || entry_operation AS entry, start_ns >= %d000000000 AS since, duration_ns AS ns, "
               "status = 'error' AS failed FROM trace), "
               "place AS (SELECT entry, ns, row_number() OVER (PARTITION BY entry ORDER BY ns) * 1.0 / count(*) OVER (PARTITION BY entry) AS place "
               "FROM one WHERE NOT since), p95 AS (SELECT entry, min(ns) AS p95 FROM place WHERE place >= 0.95 GROUP BY entry) "
               "SELECT avg(failed), coalesce(avg(ns > p95), 0), coalesce(avg(ns > 2 * p95), 0) FROM one LEFT JOIN p95 USING (entry) "
               "GROUP BY since ORDER BY since" % onset)
    before, now = ([float(x) for x in row.split(",")] for row in said.splitlines()[1:3])
    return any(b - a >= least for a, b, least in zip(before, now, (0.02, 0.1, 0.02)))


def measure(case, quiet):
    folder = tempfile.mkdtemp(prefix="faultline-bench-")
    try:
        onset = BEGIN + BEFORE + drawn("onset", case.seed) % 50
        db, middle = os.path.join(folder, "db"), BEGIN + BEFORE // 2
        truth = simulate(case, folder, onset)
        run("replay", "--db", db, os.path.join(folder, "spans"))
        answer = diagnose(db, (BEGIN, onset // 60 * 60), (onset, BEGIN + BEFORE + AFTER))
        before = diagnose(db, (BEGIN, middle), (middle, onset // 60 * 60))
        found = answer["verdict"] == "incident"
        return dict(case._asdict(), told=truth["told"], origin=truth.get("service", ""), peer=truth.get("peer", ""), verdict=answer["verdict"],
                    rank=None if quiet else rank_of(truth, answer), suspects=[s["node"]["service"] for s in answer["suspects"][:3]],
                    significant=sum(s["significant"] for s in answer["suspects"]), scores=[round(s["score"], 3) for s in answer["suspects"][:3]],
                    requests=answer["requests"]["now"]["n"], passes=passes(db, truth, onset, answer["requests"]), before=before["verdict"], quiet=quiet,
                    felt=not quiet and felt(db, onset), seconds=seconds_until(db, onset) if found and not quiet else None, opened=opened(db, onset))
    finally:
        shutil.rmtree(folder)


def quiet_day(seed):
    """24 hours of the daily wave, a good deploy every six hours, a surge of a quarter of an hour every five. Replayed as one: the incidents
    that open; and every ten minutes asked against the half hour before: alarms, of how many windows."""
    folder, day, part = tempfile.mkdtemp(prefix="faultline-bench-"), 86400, 6 * 3600
    try:
        db, files = os.path.join(folder, "db"), []

        def traffic(name, begin, length, rate, *more):
            files.append(os.path.join(folder, "%s%d" % (name, begin)))
            run("simulate", "--mesh", "10", "--seed", str(drawn(seed, "quiet day", name, begin)), "--out", files[-1], "--from", str(BEGIN + begin),
                "--past", "0s", "--for", "%ds" % length, "--rate", "%g" % rate, *more)
        for begin in range(0, day, part):
            traffic("deploy", begin, part, DAY_RATE, "--fault", "deploy", "--at", "%ds" % (part / 2))
        for begin in range(2 * 3600, day, 5 * 3600):
            traffic("surge", begin, 900, 3 * DAY_RATE)
        run("replay", "--db", db, *files)
        for name in files:
            os.remove(name)
        opened = run("sql", "--db", db, "--format", "csv", "SELECT summary FROM incident ORDER BY id").splitlines()[1:]
        windows = [(at, at + 600) for at in range(BEGIN + 1800, BEGIN + day, 600)]
        return opened, [w for w in windows if diagnose(db, (w[0] - 1800, w[0]), w)["verdict"] == "incident"], windows
    finally:
        shutil.rmtree(folder)


# ---- the table ----

def share(n, of):
    return "%3.0f %%" % (100 * n / of) if of else "-"


def line(name, rows):
    n, seconds = len(rows), [r["seconds"] for r in rows if r["seconds"] is not None]
    after = [next((at for at in r["opened"] if at >= 0), None) for r in rows]
    after = [at for at in after if at is not None]
    print("%-34s %5d %7s %9s %9s %8s %7s %7s" % (
        name, n, share(sum(r["rank"] == 1 for r in rows), n), share(sum(bool(r["rank"]) and r["rank"] <= 3 for r in rows), n),
        share(sum(r["verdict"] == "incident" for r in rows), n), "%.0f s" % statistics.median(seconds) if seconds else "-",
        share(len(after), n), "%.0f s" % statistics.median(after) if after else "-"), flush=True)


def by(rows, key, words="%s"):
    for value in sorted({r[key] for r in rows}, key=str):
        line(words % value, [r for r in rows if r[key] == value])


def table(rows, group):
    faults, quiet = [r for r in rows if not r["quiet"]], [r for r in rows if r["quiet"]]
    print("\n%-34s %5s %7s %9s %9s %8s %7s %7s" % (group, "cases", "first", "in three", "incident", "seen by", "opened", "after"))
    if group == "open":
        by(faults, "kind")
        by(faults, "mesh", "on %s services")
        by(faults, "sampling", "sampled at %g")
        by(faults, "senders", "from %s")
    line("all faults", faults)
    print("false alarms on quiet ones: %d of %d%s" % (
        sum(r["verdict"] == "incident" for r in quiet), len(quiet),
        "".join(", %s %d of %d" % (k, sum(r["verdict"] == "incident" for r in quiet if r["kind"] == k), sum(r["kind"] == k for r in quiet))
                for k in sorted({r["kind"] for r in quiet}))))
    print("false alarms before the fault: %d of %d" % (sum(r["before"] == "incident" for r in rows), len(rows)))
    print("incidents opened without a fault: %d on %d quiet ones, %d before %d faults" % (
        sum(len(r["opened"]) for r in quiet), len(quiet), sum(at < 0 for r in faults for at in r["opened"]), len(faults)))


def print_missed(rows):
    missed = [r for r in rows if (r["verdict"] == "incident" if r["quiet"] else r["rank"] != 1)]
    if missed:
        print("\nnot first, or alarmed without a fault (faultline simulate --mesh MESH --fault KIND --seed SEED …):")
    for r in missed:
        print("  %s, mesh %s, sampled at %g, from %s, seed %d: %s\n      %s; rank %s%s; %s" % (
            r["kind"], r["mesh"], r["sampling"], r["senders"], r["seed"], r["told"], r["verdict"], r["rank"] or "none",
            "" if r["passes"] is None else ", %.3f calls a request come by it" % r["passes"] if r["passes"] else ", no sender tells of it",
            ", ".join("%s %g" % x for x in zip(r["suspects"], r["scores"])) or "no suspects"))


def main():
    seed, begin, rows, kinds = int(os.environ.get("SEED", "1")), time.monotonic(), [], catalogue()
    cases = list(all_cases(kinds, seed))
    print("SEED=%d, %d cases; 'seen by': median time from the onset to the end of the first minute that diagnose calls an incident;\n"
          "'opened': replay opened an incident by itself, median time 'after' the onset" % (seed, len(cases)), flush=True)
    for i, case in enumerate(cases):
        try:
            rows.append(measure(case, kinds[case.kind]))
        except RuntimeError as error:
            # Not every mesh has a place for every fault.
            print("left out: %s on %s services: %s" % (case.kind, case.mesh, error))
        if sys.stderr.isatty():
            print("\r%d of %d" % (i + 1, len(cases)), end="\r", file=sys.stderr, flush=True)
    for group in ("open", "held-out kinds", "held-out seeds"):
        if any(r["group"] == group for r in rows):
            table([r for r in rows if r["group"] == group], group)
    print_missed([r for r in rows if r["group"] == "open"])
    if not os.environ.get("ONLY"):
        opened, alarms, windows = quiet_day(seed)
        print("\na quiet day with its wave, four deploys and five surges, on 10 services, replayed: %d incidents opened; %d of its %d windows of "
              "ten minutes are called incidents" % (len(opened), len(alarms), len(windows)) + "".join("\n  " + text for text in opened))
    faults = [r for r in rows if not r["quiet"]]
    busy = [r for r in faults if r["passes"] >= BUSY]
    print("\nin %d of %d faults no sender tells of the origin, in %d more fewer than one request in %d comes by it; of the other %d %s first, %s in three" % (
        sum(not r["passes"] for r in faults), len(faults), sum(0 < r["passes"] < BUSY for r in faults), 1 / BUSY, len(busy),
        share(sum(r["rank"] == 1 for r in busy), len(busy)), share(sum(bool(r["rank"]) and r["rank"] <= 3 for r in busy), len(busy))))
    feel = [r for r in faults if r["felt"]]
    print("in %d of %d faults no more of the requests at the entries are spoilt than incidents ask for; of the other %d replay opened %s" % (
        len(faults) - len(feel), len(faults), len(feel), share(sum(any(at >= 0 for at in r["opened"]) for r in feel), len(feel))))
    print("a second incident of one fault: in %d of %d" % (sum(sum(at >= 0 for at in r["opened"]) > 1 for r in faults), len(faults)))
    print("%d cases in %.0f s" % (len(rows), time.monotonic() - begin))
    with open(os.path.join(sys.argv[1], "bench_faults.json"), "w") as out:
        json.dump({"seed": seed, "cases": rows}, out, indent=1)


if __name__ == "__main__":
    main()
