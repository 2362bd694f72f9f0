/* pages.c - the built page: one document for every view, its stylesheet and its scripts: the one
 * that starts it, which the document names, and one for each group of views, which that one asks
 * for.
 *
 * The files are carried inside the program, compressed once when it was built; their names hold a
 * hash of their content, so that browsers keep them for ever. Nothing in the document comes from
 * the network but the plain table inside <noscript>, which plain_page.c escapes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "collector/base/clock.h"
#include "web/routes.h"

struct ui_file {
    const char *name; /* app-HASH.js */
    const unsigned char *packed;
    size_t size;
};
#include "ui_files.h"

#define HTML "text/html; charset=utf-8"
#define MAX_UNPACKED ((size_t)4 << 20)

void page_answer(struct http_request *request, unsigned status, struct buf *out)
{
    http_add_header(
        request, "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'; require-trusted-types-for 'script'");
    http_add_header(request, "Referrer-Policy", "no-referrer");
    http_add_header(request, "Cross-Origin-Opener-Policy", "same-origin");
    http_add_header(request, "Cache-Control", "no-store");
    httpd_answer(request, status, HTML, buf_str(out), false);
}

static bool ends_with(const char *name, const char *end)
{
    return str_ends(str_of(name), str_of(end));
}

/* Whose script a path will ask for: the document names it, so that it comes with the first. */
static bool is_wanted(const char *file, struct str path)
{
    static const struct {
        const char *path, *script;
    } rows[] = {{"/trace", "spans-"}, {"/service", "others-"}, {"/network", "others-"},
                {"/sql", "others-"},  {"/status", "others-"},  {"/", "calls-"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (str_starts(path, str_of(rows[i].path)))
            return str_starts(str_of(file), str_of(rows[i].script));
    }
    return false;
}

static void begin_shell(const struct web *web, struct buf *out, struct str path)
{
    buf_add_c(out, "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">"
                   "<title>faultline</title>"
                   "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
                   "<meta name=\"color-scheme\" content=\"light dark\">");
    buf_addf(out, "<meta name=\"now\" content=\"%llu\">",
             (unsigned long long)(clock_wall_ns() / NS_PER_MS));
    if (!web->settings.sql)
        buf_add_c(out, "<meta name=\"sql\" content=\"off\">");
    if (web->settings.log_link && web->settings.log_link[0]) {
        buf_add_c(out, "<meta name=\"log-link\" content=\"");
        page_escape(out, str_of(web->settings.log_link));
        buf_add_c(out, "\">");
    }
    buf_add_c(out, "<link rel=\"icon\" href=\"data:image/svg+xml,%3Csvg "
                   "xmlns='http://www.w3.org/2000/svg' viewBox='0 0 20 20' fill='none' "
                   "stroke='%23c4201d' stroke-width='2.4' stroke-linecap='round' "
                   "stroke-linejoin='round'%3E%3Cpath d='M1.5 6.5H9L7 10M18.5 13.5H11L13 "
                   "10'/%3E%3C/svg%3E\">");
    for (size_t i = 0; i < N_UI_FILES; i++) {
        const char *name = ui_files[i].name;
        if (i < 2 || is_wanted(name, path))
            buf_addf(out,
                     ends_with(name, ".css") ? "<link rel=\"stylesheet\" href=\"/assets/%s\">"
                     : i < 2 ? "<script type=\"module\" src=\"/assets/%s\"></script>"
                             : "<link rel=\"modulepreload\" href=\"/assets/%s\">",
                     name);
    }
}

void page_shell(struct web *web, struct http_request *request)
{
    struct buf out;
    if (!N_UI_FILES) {
        page_plain(web, request);
        return;
    }
    buf_init(&out, ANSWER_BYTES);
    begin_shell(web, &out, http_path(request));
    buf_add_c(&out, "</head><body><div id=\"app\"></div><noscript><main><h1>faultline</h1>"
                    "<p>Without scripts: the last traces; <a href=\"/plain\">calls and "
                    "traces</a>.</p>");
    plain_traces(web, &out);
    buf_add_c(&out, "</main></noscript></body></html>\n");
    page_answer(request, 200, &out);
    buf_fini(&out);
}

void page_shell_rest(struct web *web, struct http_request *request, struct str rest)
{
    (void)rest;
    page_shell(web, request);
}

void page_unknown(struct web *web, struct http_request *request)
{
    struct buf out;
    if (!N_UI_FILES) {
        web_refuse(request, 404, "there is no such page");
        return;
    }
    buf_init(&out, 1u << 14);
    begin_shell(web, &out, http_path(request));
    buf_add_c(&out, "</head><body><div id=\"app\"></div><noscript><main><h1>faultline</h1>"
                    "<p>There is no such page; <a href=\"/plain\">calls and traces</a>.</p></main>"
                    "</noscript></body></html>\n");
    page_answer(request, 404, &out);
    buf_fini(&out);
}

/* The page of a trace that is not there is 404; a collector that cannot tell sends it all the same.
 */
static unsigned trace_status(struct web *web, struct str id)
{
    struct err err = {0};
    bool exists = true;
    struct query *query = web_query_take(web, &err);
    if (query)
        query_trace_exists(query, id, &exists, &err);
    web_query_give(web, query);
    return err.code == ERR_INVALID ? 400 : exists ? 200 : 404;
}

/* A trace can be large: a reader without scripts is sent to its own page. */
void page_trace(struct web *web, struct http_request *request, struct str id)
{
    struct buf out;
    unsigned status = N_UI_FILES ? trace_status(web, id) : 400;
    if (status == 400) { /* no id: nothing of it may come into the document */
        page_plain_trace(web, request, id);
        return;
    }
    buf_init(&out, 1u << 16);
    begin_shell(web, &out, http_path(request));
    buf_addf(
        &out,
        "<noscript><meta http-equiv=\"refresh\" content=\"0;url=/plain/trace/%.*s\"></noscript>"
        "</head><body><div id=\"app\"></div></body></html>\n",
        STR_ARG(id));
    page_answer(request, status, &out);
    buf_fini(&out);
}

/* ---- files ---- */

static bool unpack(const struct ui_file *file, struct buf *out)
{
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)file->packed, .avail_in = (uInt)file->size};
    if (inflateInit2(&stream, 15 + 16) != Z_OK)
        return false;
    bool good = buf_reserve(out, MAX_UNPACKED);
    if (good) {
        stream.next_out = (Bytef *)out->p;
        stream.avail_out = (uInt)MAX_UNPACKED;
        good = inflate(&stream, Z_FINISH) == Z_STREAM_END;
        out->len = MAX_UNPACKED - stream.avail_out;
    }
    inflateEnd(&stream);
    return good;
}

static void answer_file(struct http_request *request, const struct ui_file *file)
{
    const char *type = ends_with(file->name, ".css") ? "text/css; charset=utf-8"
                                                     : "text/javascript; charset=utf-8";
    char tag[80];
    struct buf out;
    snprintf(tag, sizeof(tag), "\"%s\"", file->name);
    http_add_header(request, "Cache-Control", "public, max-age=31536000, immutable");
    http_add_header(request, "ETag", tag);
    http_add_header(request, "Vary", "Accept-Encoding");
    if (str_eq(http_header(request, "If-None-Match"), str_of(tag))) {
        httpd_answer(request, 304, NULL, STR_NONE, false);
        return;
    }
    if (web_takes_gzip(request)) {
        http_add_header(request, "Content-Encoding", "gzip");
        httpd_answer(request, 200, type, (struct str){(const char *)file->packed, file->size},
                     false);
        return;
    }
    buf_init(&out, MAX_UNPACKED);
    if (unpack(file, &out))
        httpd_answer(request, 200, type, buf_str(&out), false);
    else
        httpd_answer(request, 503, "text/plain; charset=utf-8", STR("memory is short\n"), false);
    buf_fini(&out);
}

void page_file(struct web *web, struct http_request *request, struct str name)
{
    struct err err;
    (void)web;
    for (size_t i = 0; i < N_UI_FILES; i++) {
        if (str_eq(name, str_of(ui_files[i].name))) {
            answer_file(request, &ui_files[i]);
            return;
        }
    }
    err_set(&err, ERR_NOT_FOUND, "there is no such file; load the page again");
    web_answer_error(request, &err);
}
