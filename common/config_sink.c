/* SPDX-License-Identifier: MIT */
/*
 * Texts of a [sink] that have a form of their own. In: a sink's settings. Out: faults. Always true: what
 * passes here a sink can aim with; a header's value, which may be a secret, is not shown.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_load.h"

#define HEADERS_MAX   10 /* beside those that a sink has by itself */
#define STATUS_MIN    100
#define STATUS_MAX    599
#define PORT_MAX      65535
#define UNIX_PATH_MAX 107

/* RFC 9110, 5.6.2: what a header's name is made of. */
static bool is_name(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)text[i]) && !strchr("!#$%&'*+-.^_`|~", text[i]))
            return false;
    return len > 0;
}

static void check_headers(const struct lb_sink_section *section)
{
    const char *at = section->config->headers;
    struct lb_origin origin = lb_sink_section_origin(section, "headers");
    unsigned count = 0;

    for (size_t len; *at; at += len + (at[len] == ';')) {
        const char *colon;

        at += strspn(at, " ");
        len = strcspn(at, ";");
        if (len == 0)
            continue;
        colon = memchr(at, ':', len);
        if (!colon || !is_name(at, (size_t)(colon - at))) {
            lb_config_fault(section->loader->faults, &origin, "headers takes NAME: VALUE; NAME: VALUE");
            return;
        }
        count++;
    }
    if (count > HEADERS_MAX)
        lb_config_fault(section->loader->faults, &origin, "headers takes at most %d", HEADERS_MAX);
}

static bool take_status(const char **at, long *ret_status)
{
    char *end;

    if (!isdigit((unsigned char)**at))
        return false;
    *ret_status = strtol(*at, &end, 10);
    *at = end;
    return *ret_status >= STATUS_MIN && *ret_status <= STATUS_MAX;
}

static void check_ok(const struct lb_sink_section *section)
{
    const char *at = section->config->ok;
    struct lb_origin origin = lb_sink_section_origin(section, "ok");
    long from = 0, to;
    bool is_right;

    for (;; at++) {
        is_right = take_status(&at, &from);
        to = from;
        if (is_right && *at == '-') {
            at++;
            is_right = take_status(&at, &to) && from <= to;
        }
        if (!is_right || *at != ',')
            break;
    }
    if (!is_right || *at)
        lb_config_fault(section->loader->faults, &origin, "ok takes HTTP statuses: 200,202 or 200-299");
}

/* Does an address name a place, beyond the host? */
static bool has_path(const char *url)
{
    const char *host = strstr(url, "://"), *path = host ? strchr(host + 3, '/') : NULL;

    return path && path[1];
}

static void check_index(const struct lb_sink_section *section)
{
    const struct lb_sink_config *sink = section->config;
    struct lb_origin origin = lb_sink_section_origin(section, "index");

    if (strcmp(sink->type, "elasticsearch") != 0 || !sink->url[0])
        return;
    if (sink->index[0] && has_path(sink->url))
        lb_config_warn(section->loader->faults, &origin, "index has no effect: url names a path");
    if (!sink->index[0] && !has_path(sink->url))
        lb_config_fault(section->loader->faults, &origin,
                        "[sink %s] is of type elasticsearch and needs an index", sink->name);
}

static bool is_port(const char *text)
{
    char *end;
    long port = strtol(text, &end, 10);

    return isdigit((unsigned char)*text) && !*end && port > 0 && port <= PORT_MAX;
}

/* An absolute path behind a word such as "unix:", as long as a socket's may be. */
static bool is_socket(const char *text, const char *word)
{
    size_t len = strlen(word);

    return strncmp(text, word, len) == 0 && text[len] == '/' && strlen(text + len) <= UNIX_PATH_MAX;
}

static void check_address(const struct lb_sink_section *section)
{
    const struct lb_sink_config *sink = section->config;
    const char *text = sink->address, *colon = strrchr(text, ':');
    struct lb_origin origin = lb_sink_section_origin(section, "address");
    bool is_net = strncmp(text, "tls://", 6) == 0 || strncmp(text, "tcp://", 6) == 0, is_right;

    if (strcmp(sink->type, "syslog") != 0)
        return;
    is_right = is_socket(text, "unix:") || is_socket(text, "unix-dgram:") ||
               (is_net && colon >= text + 7 && is_port(colon + 1));
    if (text[0] == '\0')
        lb_config_fault(section->loader->faults, &origin, "[sink %s] is of type syslog and needs an address",
                        sink->name);
    else if (!is_right)
        lb_config_fault(section->loader->faults, &origin,
                        "address takes tls://HOST:PORT, tcp://HOST:PORT, unix:PATH or unix-dgram:PATH");
}

void lb_config_check_sink_texts(const struct lb_sink_section *section)
{
    check_headers(section);
    check_ok(section);
    check_index(section);
    check_address(section);
}
