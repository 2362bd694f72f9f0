"""The table, and what was missed."""


def how_often(r):
    hits = r["truth"].get("hits", 0)
    return "8-14" if hits < 15 else "15-49" if hits < 50 else "50+"


def groups(results):
    def by(name, key):
        for value in sorted({key(r) for r in results}):
            yield "%s %s" % (name, value), [r for r in results if key(r) == value]
    yield "all", results
    yield from by("shop", lambda r: r["truth"]["shop"])
    yield from by("level", lambda r: r["truth"]["level"])
    yield from by("kind", lambda r: r["truth"]["kind"])
    yield from by("failure shows in:", lambda r: r["sight"])
    if all("hits" in r["truth"] for r in results):
        yield from by("fault struck:", how_often)
    yield from by("rollout:", lambda r: "yes" if r["truth"]["rollout"] else "no")
    yield from by("probes:", lambda r: "yes" if r["probes"] else "no")
    yield from by("client spans:", lambda r: "yes" if r["clients"] else "no")


def percent(part, whole):
    return "%3.0f %%" % (100.0 * part / whole) if whole else "    -"


def show(results, seed, seconds):
    faults = [r for r in results if r["truth"]["kind"] != "quiet"]
    quiet = [r for r in results if r["truth"]["kind"] == "quiet"]
    print("seed %d, %d cases, %d spans, %.0f s" % (seed, len(results), sum(r["spans"] for r in results), seconds))
    print("\n%-36s %5s  %6s %6s %6s  %9s  %8s" % ("faults", "cases", "first", "in 3", "in 5", "service 1", "verdict"))
    for name, some in groups(faults):
        n = len(some)
        within = [sum(1 for r in some if 0 < r["rank"] <= most) for most in (1, 3, 5)]
        print("%-36s %5d  %6s %6s %6s  %9s  %8s" % (
            name, n, *(percent(k, n) for k in within), percent(sum(1 for r in some if r["service_rank"] == 1), n),
            percent(sum(1 for r in some if r["false"]), n)))
    print("\n%-36s %5s  %6s" % ("nothing wrong", "cases", "quiet"))
    for name, some in groups(quiet) if quiet else []:
        print("%-36s %5d  %6s" % (name, len(some), percent(sum(1 for r in some if not r["false"]), len(some))))
    missed(faults, quiet)


def suspect_words(suspect):
    node = suspect["node"]
    more = "".join("/" + word for word in (node["version"], suspect["instance"] or "") if word)
    return "%s%s %.2f%s (%s)" % (node["service"], more, suspect["score"], "" if suspect["significant"] else "-", suspect["kind"])


def missed(faults, quiet):
    print("\nmissed; - behind a score: not significant")
    for r in faults:
        truth = r["truth"]
        if r["rank"] == 1 and r["false"]:
            continue
        print("case %3d %s %s at %s%s, shows in %s%s; %s; %d hits, %g ms; %s" % (
            truth["case"], truth["shop"], truth["kind"], truth["service"], {"version": " " + str(truth["version"]), "instance":
            " " + " ".join(dict.fromkeys(truth["instance"] or []))}.get(truth["level"], ""), r["sight"], "" if r["clients"] else ", no client spans",
            truth["drawn"], truth["hits"], truth["added_ms"], "rank %d" % r["rank"] if r["rank"] else "not in five"))
        for suspect in r["suspects"][:3]:
            print("           %s" % suspect_words(suspect))
    for r in quiet:
        if r["false"]:
            truth = r["truth"]
            print("case %3d %s quiet, asked by %s%s" % (truth["case"], truth["shop"], truth["level"],
                                                        ", rollout of " + truth["rollout"] if truth["rollout"] else ""))
            for suspect in r["suspects"][:3]:
                print("           %s" % suspect_words(suspect))
