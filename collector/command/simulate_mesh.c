/* simulate_mesh.c - `simulate --mesh`: a past fed fast, then traffic at its own pace, with a fault
 * on the way; to a receiver, or into a file that `replay` reads.
 *
 *   begin ----- past ----- now --- at ---(fault)---------- for
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "collector/base/clock.h"
#include "collector/base/times.h"
#include "collector/command/simulate.h"

#define FLUSH_LIVE_NS NS_PER_S
#define FLUSH_PAST_NS (20 * NS_PER_S)
#define BODY_SPANS 500
#define NAP_NS (50 * NS_PER_MS)
#define DAY_NS (24 * 60 * NS_PER_MINUTE)
#define WAVE 0.4

struct run {
    const struct options *options;
    struct mesh *mesh;
    struct fault_plan fault;
    struct simulation_settings settings;
    struct simulation *simulation;
    uint64_t past_ns, for_ns, at_ns, lasts_ns; /* lengths of time */
    uint64_t now_ns;                           /* where the past ends, event time */
    bool realtime, gzip;
    uint64_t n_connections;
    FILE *out, *truth;
    struct buf line;
    struct post *post;
};

void simulate_list_faults(void)
{
    for (const struct fault_row *row = fault_rows; row->name; row++)
        printf("%-18s %s%s\n", row->name, row->text, row->quiet ? " (no incident)" : "");
}

static bool read_duration(const struct options *options, const char *name, uint64_t value,
                          uint64_t *ns)
{
    const char *text = option(options, name);
    *ns = value;
    if (!text || duration_parse(str_of(text), ns))
        return true;
    fprintf(stderr, "faultline simulate: --%s is a duration: 20s, 10m\n", name);
    return false;
}

static bool read_share(const struct options *options, const char *name, double value, double most,
                       double *share)
{
    const char *text = option(options, name);
    *share = value;
    if (!text || (str_to_double(str_of(text), share) && *share >= 0 && *share <= most))
        return true;
    fprintf(stderr, "faultline simulate: --%s is a number from 0 to %g\n", name, most);
    return false;
}

/* on or off; on by default. */
static bool read_switch(const struct options *options, const char *name, bool *off)
{
    const char *text = option(options, name);
    *off = text && strcmp(text, "off") == 0;
    if (!text || *off || strcmp(text, "on") == 0)
        return true;
    fprintf(stderr, "faultline simulate: --%s is on or off\n", name);
    return false;
}

static bool read_times(struct run *run)
{
    const struct options *options = run->options;
    const char *speed = option(options, "speed"), *from = option(options, "from");
    if (!read_duration(options, "past", 0, &run->past_ns) ||
        !read_duration(options, "for", 10 * NS_PER_MINUTE, &run->for_ns) ||
        !read_duration(options, "at", 20 * NS_PER_S, &run->at_ns) ||
        !read_duration(options, "lasts", UINT64_MAX / 4, &run->lasts_ns))
        return false;
    if (speed && strcmp(speed, "realtime") != 0 && strcmp(speed, "fast") != 0)
        return complain(options, "--speed is realtime or fast");
    run->realtime = !option(options, "out") && !(speed && strcmp(speed, "fast") == 0);
    uint64_t wall_ns = clock_wall_ns();
    run->settings.begin_ns = wall_ns - run->past_ns - (run->realtime ? 0 : run->for_ns);
    if (from && run->realtime)
        return complain(options, "--from goes with --speed fast or --out");
    if (from && !time_parse(str_of(from), wall_ns, &run->settings.begin_ns))
        return complain(options, "--from is a time: 2026-11-23T10:00:00Z, 30m (ago)");
    run->now_ns = run->settings.begin_ns + run->past_ns;
    return true;
}

static bool read_mesh(struct run *run)
{
    const char *name = option(run->options, "mesh"), *fault = option(run->options, "fault");
    struct err err = {0};
    if (mesh_open(name ? name : "shop", &run->mesh, &err) ||
        (fault && fault_open(fault, run->mesh, run->settings.seed, &run->fault, &err))) {
        fprintf(stderr, "faultline simulate: %s\n", err.text);
        return false;
    }
    run->fault.from_ns = run->now_ns + run->at_ns;
    run->fault.to_ns = run->fault.from_ns + run->lasts_ns;
    run->settings.mesh = run->mesh;
    run->settings.fault = fault ? &run->fault : NULL;
    return true;
}

static bool read_options(struct run *run)
{
    const struct options *options = run->options;
    const char *encoding = option(options, "encoding");
    run->gzip = encoding && strcmp(encoding, "gzip") == 0;
    if (!option(options, "to") == !option(options, "out"))
        return complain(options, "--to http://host:4318, or --out FILE for 'faultline replay'");
    if (encoding && !run->gzip && strcmp(encoding, "none") != 0)
        return complain(options, "--encoding is none or gzip");
    run->settings.flush_ns = FLUSH_PAST_NS;
    run->settings.day_ns = DAY_NS;
    uint64_t batch;
    if (!simulate_number(options, "seed", (struct bounds){1, 0, UINT64_MAX}, &run->settings.seed) ||
        !simulate_number(options, "connections", (struct bounds){8, 1, POST_CONNECTIONS},
                         &run->n_connections) ||
        !simulate_number(options, "batch", (struct bounds){BODY_SPANS, 1, 50000}, &batch) ||
        !read_share(options, "rate", 20, 1e6, &run->settings.rate) ||
        !read_share(options, "wave", WAVE, 0.9, &run->settings.wave) ||
        !read_share(options, "sampling", 1, 1, &run->settings.sampling) ||
        !read_switch(options, "sidecars", &run->settings.no_sidecars) ||
        !read_switch(options, "applications", &run->settings.no_applications))
        return false;
    run->settings.body_spans = (uint32_t)batch;
    if (run->settings.no_sidecars && run->settings.no_applications)
        return complain(options,
                        "--sidecars off and --applications off: nobody would send anything");
    return read_times(run) && read_mesh(run);
}

/* ---- the truth ---- */

static void write_truth(const struct truth *truth, void *ctx)
{
    struct run *run = ctx;
    buf_reset(&run->line);
    truth_add_json(&run->line, truth);
    fwrite(run->line.p, 1, run->line.len, run->truth);
}

static const char *const origins[] = {"none", "service", "version", "instance", "edge"};

/* The file's first line: what was made, and the answer. */
static void write_head(struct run *run)
{
    const struct fault_plan *fault = run->settings.fault;
    const struct mesh *mesh = run->mesh;
    uint64_t end_ns = run->now_ns + run->for_ns;
    fprintf(run->truth,
            "{\"mesh\":\"%s\",\"seed\":%llu,\"begin_ns\":%llu,\"end_ns\":%llu,\"fault\":\"%s\"",
            mesh->name, (unsigned long long)run->settings.seed,
            (unsigned long long)run->settings.begin_ns, (unsigned long long)end_ns,
            fault ? fault->row->name : "");
    if (fault) {
        const struct spot *at = &fault->at;
        bool edge = fault->origin == ORIGIN_EDGE, none = fault->origin == ORIGIN_NONE;
        uint16_t service = edge ? at->caller : at->callee;
        uint16_t version = edge ? at->caller_version : at->version;
        fprintf(run->truth,
                ",\"from_ns\":%llu,\"to_ns\":%llu,\"quiet\":%d,\"told\":\"%s\",\"origin\":\"%s\","
                "\"service\":\"%s\",\"version\":\"%s\",\"instance\":\"%s\",\"operation\":\"%s\","
                "\"peer\":\"%s\"",
                (unsigned long long)fault->from_ns, (unsigned long long)fault->to_ns,
                fault->row->quiet, fault->told, origins[fault->origin],
                none ? "" : mesh->services[service].name,
                none || version == MESH_NONE ? "" : mesh->services[service].versions[version].name,
                at->pod == MESH_NONE ? "" : mesh->pods[at->pod].name,
                at->operation == MESH_NONE ? "" : mesh->operations[at->operation].name,
                edge ? mesh->services[at->callee].name : "");
    }
    fputs("}\n", run->truth);
}

static bool open_files(struct run *run)
{
    const char *out = option(run->options, "out"), *truth = option(run->options, "truth");
    run->out = out ? fopen(out, "wb") : NULL;
    run->truth = truth ? fopen(truth, "wb") : NULL;
    if ((out && !run->out) || (truth && !run->truth)) {
        fprintf(stderr, "faultline simulate: %s: cannot be written\n",
                out && !run->out ? out : truth);
        return false;
    }
    if (!run->truth)
        return true;
    buf_init(&run->line, 1u << 16);
    write_head(run);
    run->settings.truth = write_truth;
    run->settings.ctx = run;
    return true;
}

static bool close_files(struct run *run)
{
    bool good = !run->out || !fclose(run->out);
    good = (!run->truth || !fclose(run->truth)) && good;
    buf_fini(&run->line);
    return good || complain(run->options, "a file could not be written to its end");
}

/* ---- the run ---- */

bool simulate_post(struct simulation *simulation, uint64_t until_ns, struct post *post)
{
    struct simulated_body body;
    while (simulation_next(simulation, until_ns, &body)) {
        struct parcel parcel = {.sender = body.sender, .n_spans = body.n_spans, .body = body.body};
        if (!post_send(post, &parcel))
            return false;
    }
    return true;
}

/* Bodies one behind the other are one body of all their resources: `replay` reads it as such. */
static void run_to_file(struct run *run, uint64_t until_ns)
{
    struct simulated_body body;
    while (simulation_next(run->simulation, until_ns, &body))
        fwrite(body.body.p, 1, body.body.len, run->out);
}

static bool run_live(struct run *run)
{
    uint64_t end_ns = run->now_ns + run->for_ns, now_ns;
    if (!simulate_post(run->simulation, run->now_ns, run->post))
        return false;
    simulation_flush_every(run->simulation, FLUSH_LIVE_NS);
    while ((now_ns = clock_wall_ns()) < end_ns) {
        if (!simulate_post(run->simulation, now_ns, run->post))
            return false;
        nanosleep(&(struct timespec){.tv_nsec = (long)NAP_NS}, NULL);
    }
    return true;
}

static void run_all(struct run *run)
{
    uint64_t end_ns = run->now_ns + run->for_ns;
    if (run->out) {
        run_to_file(run, end_ns);
        simulation_end(run->simulation);
        run_to_file(run, end_ns);
    } else if (!run->realtime || run_live(run)) {
        if (simulate_post(run->simulation, end_ns, run->post)) {
            simulation_end(run->simulation);
            simulate_post(run->simulation, end_ns, run->post);
        }
    }
}

static int finish(struct run *run, uint64_t took_ns)
{
    uint64_t n_spans = simulation_spans(run->simulation),
             n_traces = simulation_requests(run->simulation);
    if (!run->out) {
        post_join(run->post);
        return simulate_result(run->post, n_spans, n_traces, took_ns);
    }
    printf("{\"sent\":%llu,\"traces\":%llu,\"seconds\":%.3f}\n", (unsigned long long)n_spans,
           (unsigned long long)n_traces, (double)took_ns / 1e9);
    return EXIT_GOOD;
}

int simulate_mesh(const struct options *options)
{
    struct run run = {.options = options};
    const char *fault = option(options, "fault");
    int code = EXIT_USAGE;
    if (fault && strcmp(fault, "list") == 0) {
        simulate_list_faults();
        return EXIT_GOOD;
    }
    if (!read_options(&run))
        goto out;
    code = EXIT_NOT_DONE;
    if (!open_files(&run))
        goto out;
    struct post_settings post = {.to = option(options, "to"),
                                 .n_connections = (unsigned)run.n_connections,
                                 .gzip = run.gzip};
    run.simulation = simulation_new(&run.settings);
    run.post = run.out ? NULL : post_start(&post);
    if (!run.simulation || (!run.out && !run.post)) {
        complain(options, "memory is short");
        goto out;
    }
    if (run.settings.fault)
        fprintf(stderr, "fault %s: %s\n", run.fault.row->name, run.fault.told);
    uint64_t begin_ns = clock_mono_ns();
    run_all(&run);
    code = finish(&run, clock_mono_ns() - begin_ns);
out:
    if (!close_files(&run))
        code = EXIT_NOT_DONE;
    simulation_free(run.simulation);
    post_free(run.post);
    mesh_close(run.mesh);
    return code;
}
