/* SPDX-License-Identifier: MIT */
/*
 * Python's standard output below `logboom run`. In: what the agent left in its
 * `clients` file, where our binary lies. Out: two variables of the environment.
 * Always true: with no agent, and with any nonsense in its file, the default
 * rules; nothing is waited for; what the user set stays as it is.
 */
#include "agent/cli/python_stdout.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/cli/cli.h"
#include "common/proto.h"
#include "common/read_file.h"
#include "common/unit_name.h"

#define CLIENTS_MAX (64 * 1024) /* bytes of the agent's file: a thousand services */
#define SHIM        "sitecustomize.py"

struct word {
    const char *at;
    size_t len;
};

static bool is_word(const struct word *word, const char *text)
{
    return word->len == strlen(text) && memcmp(word->at, text, word->len) == 0;
}

/* Part a line at its blanks. Returns how many words there are, count + 1 for more than that. */
static size_t split(const char *at, const char *end, struct word *words, size_t count)
{
    size_t found = 0;

    while (at < end) {
        const char *blank = memchr(at, ' ', (size_t)(end - at));
        const char *stop = blank ? blank : end;

        if (stop > at && found == count)
            return count + 1;
        if (stop > at)
            words[found++] = (struct word) { at, (size_t)(stop - at) };
        at = blank ? blank + 1 : end;
    }
    return found;
}

/* LB_PYTHON_COUNT: it is none of them */
static enum lb_python_stdout value_of(const struct word *word)
{
    static const char *const names[LB_PYTHON_COUNT] = {
        [LB_PYTHON_KEEP] = "keep",
        [LB_PYTHON_UNBUFFERED] = "unbuffered",
        [LB_PYTHON_LINE] = "line",
    };
    unsigned value = 0;

    while (value < LB_PYTHON_COUNT && !is_word(word, names[value]))
        value++;
    return (enum lb_python_stdout)value;
}

enum lb_python_stdout lb_python_stdout_choose(const char *text, size_t len, const char *service)
{
    const char *end = text + len;
    enum lb_python_stdout of_all = LB_PYTHON_LINE, of_service = LB_PYTHON_COUNT;

    while (text < end) {
        const char *lf = memchr(text, '\n', (size_t)(end - text));
        struct word words[3];
        size_t count = split(text, lf ? lf : end, words, 3);
        enum lb_python_stdout value = LB_PYTHON_COUNT;

        if ((count == 2 || count == 3) && is_word(&words[0], "python_stdout"))
            value = value_of(&words[1]);
        if (value < LB_PYTHON_COUNT && count == 2)
            of_all = value;
        else if (value < LB_PYTHON_COUNT && is_word(&words[2], service))
            of_service = value;
        text = lf ? lf + 1 : end;
    }
    return of_service < LB_PYTHON_COUNT ? of_service : of_all;
}

static enum lb_python_stdout ask_agent(const char *service)
{
    char text[CLIENTS_MAX];
    struct sockaddr_un file; /* the sockets' neighbour, and no longer than they may be */
    size_t len = 0;

    if (lb_cli_socket_address("clients", &file) != 0 ||
        lb_read_file(file.sun_path, text, sizeof text, &len) != 0)
        len = 0;
    return lb_python_stdout_choose(text, len, service);
}

/* Where the module lies: beside our binary as built, below lib as installed. */
static bool find_shim(char *dir, size_t size)
{
    static const char *const places[] = { "/python", "/../lib/logboom/python" };
    char path[PATH_MAX + sizeof "/" SHIM];
    ssize_t len = readlink("/proc/self/exe", dir, size);
    char *slash;

    if (len <= 0 || (size_t)len >= size)
        return false;
    dir[len] = '\0';
    slash = strrchr(dir, '/');
    for (size_t i = 0; slash && i < sizeof places / sizeof places[0]; i++) {
        int n = snprintf(slash, size - (size_t)(slash - dir), "%s", places[i]);

        if (n < 0 || (size_t)n >= size - (size_t)(slash - dir) || strchr(dir, ':'))
            return false; /* too long; or PYTHONPATH would take it for two */
        snprintf(path, sizeof path, "%s/" SHIM, dir);
        if (access(path, R_OK) == 0)
            return true;
    }
    return false;
}

/* Put a directory in front of PYTHONPATH, once: the command may be a `logboom run` as well. */
static void prepend(const char *dir)
{
    const char *before = getenv("PYTHONPATH");
    size_t dir_len = strlen(dir);
    char *joined;

    if (!before || before[0] == '\0') { /* an empty entry would be the working directory */
        setenv("PYTHONPATH", dir, true);
        return;
    }
    if (strncmp(before, dir, dir_len) == 0 && (before[dir_len] == ':' || before[dir_len] == '\0'))
        return;
    if (asprintf(&joined, "%s:%s", dir, before) < 0)
        return;
    setenv("PYTHONPATH", joined, true);
    free(joined);
}

void lb_python_stdout_prepare(const char *service, const char *program)
{
    char name[LB_PROTO_SERVICE_MAX + 1] = "", dir[PATH_MAX];
    enum lb_python_stdout value;
    size_t len;

    if (getenv("PYTHONUNBUFFERED"))
        return;
    if (!service) {
        len = lb_unit_name(0, name, sizeof name);
        if (len > 0)
            lb_service_name_make_legal(name, len);
        else
            lb_program_name(program, name);
        service = name;
    }
    value = ask_agent(service);
    if (value == LB_PYTHON_LINE && !find_shim(dir, sizeof dir))
        value = LB_PYTHON_UNBUFFERED;
    if (value == LB_PYTHON_LINE)
        prepend(dir);
    else if (value == LB_PYTHON_UNBUFFERED)
        setenv("PYTHONUNBUFFERED", "1", false);
}
