/* SPDX-License-Identifier: MIT */
/*
 * logboom wear. In: options. Out: who writes to the card, for a person or as JSON, or a page in a file.
 * Always true: a page is whole or not there.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/cli/cli.h"
#include "agent/cli/control_client.h"

#define WEAR_TIMEOUT_MS 10000

static const char help[] =
    "usage: logboom wear [--json] [--report FILE.html]\n\n"
    "Shows which disks there are, what is written to them, by whom, and how long they will last.\n\n"
    "  --json         one JSON object\n"
    "  --report FILE  write one page for a browser, with nothing in it from elsewhere; - is stdout\n";

static int say_why(const char *file, int error)
{
    lb_cli_say("%s: %s", file, strerror(-error));
    return LB_EXIT_FAILED;
}

/* A page is written beside the file and takes its name when it is whole. */
static int report(const char *file)
{
    char fresh[PATH_MAX];
    int fd, code, error = 0;

    if (strcmp(file, "-") == 0)
        return lb_control_ask("wear html", WEAR_TIMEOUT_MS);
    if ((size_t)snprintf(fresh, sizeof fresh, "%s.%d.new", file, (int)getpid()) >= sizeof fresh)
        return say_why(file, -ENAMETOOLONG);
    fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return say_why(file, -errno);
    code = lb_control_ask_to("wear html", WEAR_TIMEOUT_MS, fd, &error);
    if (close(fd) != 0 && error == 0)
        error = -errno;
    if (code == LB_EXIT_DONE && error == 0 && rename(fresh, file) != 0)
        error = -errno;
    if (code == LB_EXIT_DONE && error == 0)
        return LB_EXIT_DONE;
    unlink(fresh);
    return error != 0 ? say_why(file, error) : code;
}

int lb_cmd_wear(int argc, char **argv)
{
    static const struct option options[] = {
        { "json", no_argument, NULL, 'j' },
        { "report", required_argument, NULL, 'r' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    const char *file = NULL;
    bool wants_json = false;
    int option;

    while ((option = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
        if (option == 'r')
            file = optarg;
        else if (option == 'j')
            wants_json = true;
        else
            return lb_cli_help_or_usage(option, argv[0], help);
    }
    if (optind < argc)
        return lb_cli_usage_error(argv[0], "'%s' is too much", argv[optind]);
    if (file && wants_json)
        return lb_cli_usage_error(argv[0], "--json and --report are two things: ask twice");
    if (file)
        return report(file);
    return lb_control_ask(wants_json ? "wear json" : "wear text", WEAR_TIMEOUT_MS);
}
