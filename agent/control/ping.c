/* SPDX-License-Identifier: MIT */
/* Ping. In: a shipper. Out: what each step towards its sink came to, for people. No secret is shown. */
#include "agent/control/ping.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/sink_types.h"

__attribute__((format(printf, 2, 3))) static void add(struct lb_ping *ping, const char *format, ...)
{
    size_t len = strlen(ping->steps);
    va_list args;

    va_start(args, format);
    vsnprintf(ping->steps + len, sizeof ping->steps - len, format, args);
    va_end(args);
}

/* The step that failed, as a plain reason. */
static const char *broken_step(enum lb_answer_step step)
{
    switch (step) {
    case LB_STEP_RESOLVE:
        return "cannot resolve: ";
    case LB_STEP_CONNECT:
        return "cannot connect: ";
    case LB_STEP_SECURE:
        return "no TLS: ";
    case LB_STEP_ANSWER:
        return "no answer: ";
    case LB_STEP_NONE:
        break;
    }
    return "";
}

static void add_step(struct lb_ping *ping, const char *name, uint64_t us, const char *text)
{
    add(ping, "  %-8s %8.1f ms%s%s\n", name, (double)us / 1000, text[0] ? "  " : "", text);
}

static void add_steps(struct lb_ping *ping, const struct lb_answer *answer)
{
    const struct lb_answer_steps *steps = &answer->steps;
    bool is_mqtt = ping->shipper->sink->transport == LB_TRANSPORT_MQTT;
    char status[64] = "";

    if (answer->status)
        snprintf(status, sizeof status, is_mqtt ? "reason 0x%02lx" : "HTTP status %ld", answer->status);
    if (steps->resolved_us)
        add_step(ping, "resolve", steps->resolved_us, "");
    if (steps->connected_us)
        add_step(ping, "connect", steps->connected_us, steps->address);
    if (steps->secured_us)
        add_step(ping, "tls", steps->secured_us, "certificate verified");
    if (!answer->error && (answer->status || steps->answered_us))
        add_step(ping, "answer", steps->answered_us, status);
}

/* What a status says of the key; NULL: nothing. */
static const char *key_fault(const struct lb_answer *answer)
{
    if (answer->error == 0 && answer->status == 401)
        return "the key is missing (HTTP status 401)";
    if (answer->error == 0 && answer->status == 403)
        return "the key is refused (HTTP status 403)";
    return NULL;
}

static void finish(struct lb_ping *ping, const char *fault)
{
    char text[sizeof ping->steps + 512];

    if (fault)
        snprintf(text, sizeof text, "error sink %s: %s\n%s", ping->shipper->sink_config->name, fault,
                 ping->steps);
    else
        snprintf(text, sizeof text, "ok\n%s", ping->steps);
    ping->done(ping->ctx, text);
}

static void on_key_answer(void *ctx, const struct lb_answer *answer, uint64_t took_ns)
{
    struct lb_ping *ping = ctx;
    const char *fault = key_fault(answer);
    char text[320];

    (void)took_ns;
    if (fault || answer->error || answer->status < 200 || answer->status > 299) {
        snprintf(text, sizeof text, "the key cannot be checked: %s", answer->text);
        finish(ping, fault ? fault : text);
        return;
    }
    add_step(ping, "key",
             answer->steps.resolved_us + answer->steps.connected_us + answer->steps.secured_us +
                 answer->steps.answered_us,
             "valid");
    finish(ping, NULL);
}

static void on_body_answer(void *ctx, const struct lb_answer *answer, uint64_t took_ns)
{
    struct lb_ping *ping = ctx;
    struct lb_shipper *shipper = ping->shipper;
    char text[320];

    add_steps(ping, answer);
    if (lb_sink_judge_probe(shipper->sink, shipper->sink_config, answer) != LB_VERDICT_DELIVERED) {
        snprintf(text, sizeof text, "%s%s", broken_step(answer->broken), answer->text);
        finish(ping, key_fault(answer) ? key_fault(answer) : text);
        return;
    }
    if (!answer->status) {
        if (shipper->sink->transport == LB_TRANSPORT_FILE)
            add_step(ping, "write", took_ns / 1000, "can be appended to");
        else
            add_step(ping, "sink", took_ns / 1000, "is there");
        finish(ping, NULL);
        return;
    }
    if (lb_shipper_probe(shipper, true, on_key_answer, ping) == 0)
        return;
    if (lb_sink_needs_key(shipper->sink_config))
        add(ping, "  %-8s accepted\n", "key");
    finish(ping, NULL);
}

int lb_ping_start(struct lb_ping *ping, struct lb_shipper *shipper, void (*done)(void *ctx, const char *text),
                  void *ctx)
{
    int rc = lb_shipper_probe(shipper, false, on_body_answer, ping);

    if (rc < 0)
        return rc;
    ping->shipper = shipper;
    ping->done = done;
    ping->ctx = ctx;
    snprintf(ping->steps, sizeof ping->steps, "agent: version " LB_VERSION "\nsink %s: %s\n",
             shipper->sink_config->name, shipper->sink->type);
    return 0;
}
