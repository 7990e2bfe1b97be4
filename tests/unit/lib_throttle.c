/* SPDX-License-Identifier: MIT */
/* What the tests of the throttle share. In: nothing. Out: tables, and the settings of the key table. */
#include "tests/unit/lib_throttle.h"

#include <stdlib.h>
#include <string.h>

#include "common/keys.h"

struct lb_commit throttle_commit;
static struct lb_state_file *file;

static void must(bool is_true)
{
    if (!is_true)
        abort();
}

static void open_tables(void)
{
    struct lb_commit *commit = &throttle_commit;

    lb_commit_init(commit, &file->fast_block, NULL, NULL);
    must(lb_commit_region(commit, LB_FAST_BOOKS, file->books_fast, LB_SERVICES_BOOKS * LB_BOOK_FAST_WORDS) ==
         0);
    must(lb_commit_region(commit, LB_FAST_MORE, file->more_fast, LB_SERVICES_BOOKS * LB_FAST_MORE_WORDS) ==
         0);
    must(lb_commit_region(commit, LB_FAST_REPEATS, file->repeats, LB_REPEATS * LB_REPEAT_WORDS) == 0);
    must(lb_commit_region(commit, LB_FAST_THROTTLE, file->throttle, LB_SERVICES_BOOKS * LB_THROTTLE_WORDS) ==
         0);
    must(lb_commit_region(commit, LB_FAST_PATTERNS, file->patterns, LB_PATTERNS * LB_PATTERN_WORDS) == 0);
    must(lb_commit_region(commit, LB_FAST_SUPPRESSED, file->suppressed,
                          LB_SUPPRESSED * LB_SUPPRESSED_WORDS) == 0);
    must(lb_commit_region(commit, LB_FAST_COLLAPSE, file->collapse, LB_COLLAPSES * LB_COLLAPSE_WORDS) == 0);
    lb_commit_recover(commit);
}

int throttle_begin(void **state)
{
    (void)state;
    file = calloc(1, sizeof *file);
    must(file != NULL);
    open_tables();
    return 0;
}

int throttle_end(void **state)
{
    (void)state;
    lb_commit_close(&throttle_commit);
    free(file);
    return 0;
}

void throttle_restart(void)
{
    lb_commit_close(&throttle_commit);
    open_tables();
}

struct lb_throttle_config throttle_defaults(void)
{
    struct lb_throttle_config settings = { 0 };
    char why[256];
    size_t count;
    const struct lb_key *keys = lb_keys(&count);

    for (size_t i = 0; i < count; i++)
        if (keys[i].section == LB_SECTION_THROTTLE && keys[i].type != LB_KEY_RULES)
            must(lb_key_store(&keys[i], keys[i].dflt, (char *)&settings + keys[i].offset, why, sizeof why) ==
                 0);
    return settings;
}
