/* SPDX-License-Identifier: MIT */
/*
 * logboom protect. In: a system, this one or an image. Out: what wears its card, and on request drop-ins of
 * our own that quiet it, or their removal. Always true: without --apply and --undo nothing is written; what
 * is done to an image is done to its files alone.
 */
#include "agent/offline/protect.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "agent/offline/protect_apply.h"
#include "agent/offline/protect_print.h"

#define COLUMNS_DFLT  100
#define COLUMNS_LEAST 40

enum deed { DRY_RUN, APPLY, UNDO };

struct options {
    enum deed deed;
    unsigned deeds; /* how many of them were asked for */
    const char *root;
    bool is_unknown_flash, is_json;
};

static bool read_options(int argc, char **argv, struct options *options)
{
    static const struct option known[] = { { "dry-run", no_argument, NULL, 'n' },
                                           { "apply", no_argument, NULL, 'a' },
                                           { "undo", no_argument, NULL, 'u' },
                                           { "root", required_argument, NULL, 'r' },
                                           { "flash", no_argument, NULL, 'f' },
                                           { "json", no_argument, NULL, 'j' },
                                           { 0 } };
    int option;

    while ((option = getopt_long(argc, argv, "+", known, NULL)) != -1) {
        if (option == '?')
            return false;
        if (option == 'r')
            options->root = optarg;
        options->is_json |= option == 'j';
        options->is_unknown_flash |= option == 'f';
        options->deeds += option == 'n' || option == 'a' || option == 'u';
        if (option == 'a' || option == 'u')
            options->deed = option == 'a' ? APPLY : UNDO;
    }
    return optind == argc && options->deeds <= 1 && !(options->is_json && options->deed != DRY_RUN);
}

static unsigned columns(void)
{
    const char *asked = getenv("COLUMNS");
    struct winsize size = { 0 };
    unsigned long number = asked ? strtoul(asked, NULL, 10) : 0;

    if (number == 0 && isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
        number = size.ws_col;
    if (number == 0)
        number = COLUMNS_DFLT;
    return number < COLUMNS_LEAST ? COLUMNS_LEAST : number > 200 ? 200 : (unsigned)number;
}

static int fail(const char *what, const char *path, int error)
{
    fprintf(stderr, "logboom protect: %s%s%s: %s\n", what, path[0] ? " " : "", path, strerror(-error));
    return 1;
}

static int dry_run(struct lb_protect_look *look, const struct options *options)
{
    lb_protect_find(look);
    if (options->is_json)
        lb_protect_print_json(look->plan, stdout);
    else
        lb_protect_print(look->plan, stdout, columns());
    return 0;
}

static int change(struct lb_protect_look *look, const struct options *options)
{
    struct lb_protect_hands hands = { .run = lb_protect_run_program,
                                      .has_systemd =
                                          look->is_live && access("/run/systemd/system", F_OK) == 0,
                                      .out = stdout,
                                      .err = stderr };
    bool is_done;
    int lock;

    if (look->is_live && geteuid() != 0) {
        fprintf(stderr, "logboom protect: only root may do that (--dry-run shows what it would be)\n");
        return 1;
    }
    lock = lb_protect_lock(look->tree);
    if (lock < 0)
        return lock == -EWOULDBLOCK ? fail("another one is at work", "", lock)
                                    : fail("cannot lock", "/etc", lock);
    if (options->deed == UNDO) {
        is_done = lb_protect_undo(look, &hands);
    } else {
        lb_protect_find(look);
        is_done = lb_protect_apply(look, &hands);
    }
    close(lock);
    return is_done ? 0 : 1;
}

/* What is looked at has to be a system: an empty directory is most often a slip of the pen. */
static int run(const struct options *options)
{
    static struct lb_protect_plan plan; /* large */
    static struct lb_protect_look look;
    struct lb_protect_manifest manifest = { .swappiness = -1 };
    struct lb_protect_tree tree;
    const char *top = options->root ? options->root : "/";
    int rc = lb_protect_tree_open(top, &tree), code;

    if (rc != 0)
        return fail("cannot look into", top, rc);
    if (!lb_protect_exists(&tree, "/etc")) {
        fprintf(stderr, "logboom protect: %s is no system: it has no /etc\n", top);
        lb_protect_tree_close(&tree);
        return 1;
    }
    look = (struct lb_protect_look) { .tree = &tree,
                                      .manifest = &manifest,
                                      .kernel = "",
                                      .is_live = options->root == NULL,
                                      .is_unknown_flash = options->is_unknown_flash,
                                      .now_s = (uint64_t)time(NULL),
                                      .plan = &plan };
    rc = options->deed == UNDO ? 0 : lb_protect_manifest_read(&tree, &manifest);
    if (rc == -EINVAL)
        fprintf(stderr, "logboom protect: " LB_PROTECT_MANIFEST " is damaged\n");
    else if (rc != 0)
        fail("cannot read", LB_PROTECT_MANIFEST, rc);
    code = options->deed == DRY_RUN ? dry_run(&look, options) : rc != 0 ? 1 : change(&look, options);
    if (fflush(stdout) != 0)
        code = 1;
    lb_protect_tree_close(&tree);
    return code;
}

int lb_offline_protect(int argc, char **argv)
{
    struct options options = { .deed = DRY_RUN };

    if (!read_options(argc, argv, &options)) {
        fprintf(stderr, "logboom protect: wrong usage; see logboom protect --help\n");
        return 2;
    }
    return run(&options);
}
