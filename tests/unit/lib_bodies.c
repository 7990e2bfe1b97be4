/* SPDX-License-Identifier: MIT */
/* Bodies to look at. In: settings, lines in a ring. Out: the text of a body. Always true: one builder at a
 * time. */
#include "tests/unit/lib_bodies.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RING_BYTES (1024 * 1024)

struct rig bodies_rig;
struct lb_builder bodies_builder;
struct lb_body bodies_body;
char bodies_text[8 << 20];
static struct lb_config *config;

/* As a reload makes a builder: elsewhere, and copied to where it lives. Nothing may point to where it was. */
void bodies_begin(const char *settings)
{
    struct lb_builder *fresh = malloc(sizeof *fresh);

    rig_begin(&bodies_rig, RING_BYTES);
    config = rig_config(&bodies_rig, settings);
    memset(&bodies_body, 0, sizeof bodies_body);
    assert_non_null(fresh);
    assert_int_equal(lb_builder_init(fresh, lb_sink_of(&config->sinks[0]), config, &config->sinks[0],
                                     bodies_rig.files.ring.id),
                     0);
    bodies_builder = *fresh;
    memset(fresh, 0, sizeof *fresh);
    free(fresh);
    assert_int_equal(bodies_builder.compression, LB_COMPRESSION_NONE);
}

int bodies_end(void **state)
{
    (void)state;
    lb_builder_close(&bodies_builder);
    free(bodies_body.payload);
    lb_config_free(config);
    rig_end(&bodies_rig);
    return 0;
}

unsigned bodies_make(uint64_t from)
{
    struct lb_body_plan plan = {
        .from = from,
        .head = lb_ring_head(&bodies_rig.files.ring),
        .max_bytes = bodies_builder.max_bytes,
        .max_lines = bodies_builder.max_lines,
        .stamps = { .offset_ns = BODIES_OFFSET_NS },
    };
    int rc = lb_builder_make(&bodies_builder, &bodies_rig.files.ring, &bodies_rig.files.state, &plan,
                             &bodies_body);

    assert_true(rc >= 0);
    bodies_text[0] = '\0';
    if (rc == 0)
        return 0;
    assert_true(bodies_body.payload_len < sizeof bodies_text);
    memcpy(bodies_text, bodies_body.payload, bodies_body.payload_len);
    bodies_text[bodies_body.payload_len] = '\0';
    assert_int_equal(strlen(bodies_text), bodies_body.payload_len);
    return (unsigned)bodies_body.lines;
}

unsigned bodies_count(const char *word)
{
    unsigned count = 0;

    for (const char *at = bodies_text; (at = strstr(at, word)); at += strlen(word))
        count++;
    return count;
}
