/* SPDX-License-Identifier: MIT */
/* What the sink of type elasticsearch makes of answers: of _bulk, whole and cut, of servers in its place, and
 * to the question whether it takes anything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/ship/sinks/sink.h"

#define KIB 1024

static const struct lb_sink *elastic(void)
{
    return lb_sink_find("elasticsearch");
}

static struct lb_partly partly;

/* In a block of its own, so that a read past it is seen. */
static enum lb_verdict judged(enum lb_verdict (*judge)(const struct lb_answer *), const char *reply,
                              size_t len)
{
    char *copy = malloc(len ? len : 1);
    struct lb_answer answer = { .status = 200, .reply = copy, .reply_len = len };
    enum lb_verdict verdict;

    assert_non_null(copy);
    memcpy(copy, reply, len);
    verdict = judge(&answer);
    memset(&partly, 0xff, sizeof partly);
    elastic()->partly(&answer, &partly);
    assert_true(partly.count <= LB_PARTLY_MAX);
    free(copy);
    return verdict;
}

static enum lb_verdict verdict_of(const char *reply)
{
    return judged(elastic()->judge, reply, strlen(reply));
}

#define ERRORS(items) "{\"errors\":true,\"items\":[" items "]}"
#define ITEM(status)  "{\"create\":{\"status\":" #status "}}"
#define FAILED(status, type) \
    "{\"create\":{\"status\":" #status ",\"error\":{\"type\":\"" type "\",\"caused_by\":{\"type\":\"x\"}}}}"
#define BAD FAILED(400, "mapper_parsing_exception")

static void an_answer_without_errors_is_not_looked_through(void **state)
{
    (void)state;
    assert_int_equal(verdict_of("{\"errors\":false}"), LB_VERDICT_DELIVERED);
    assert_int_equal(verdict_of("{\"took\":5,\"errors\":false,\"items\":[" ITEM(201)),
                     LB_VERDICT_DELIVERED); /* cut */
    assert_int_equal(verdict_of(" {\n \"items\" : [ " ITEM(201) " ] , \"errors\" : false }\n"),
                     LB_VERDICT_DELIVERED);
}

static void what_is_there_already_is_as_good_as_taken(void **state)
{
    (void)state;
    assert_int_equal(
        verdict_of(ERRORS(ITEM(201) "," FAILED(409, "version_conflict_engine_exception") "," ITEM(200))),
        LB_VERDICT_DELIVERED);
    assert_int_equal(verdict_of(ERRORS("{\"index\":{\"status\":201}}")), LB_VERDICT_DELIVERED);
}

static void one_that_is_to_come_again_brings_all_of_them_again(void **state)
{
    (void)state;
    assert_int_equal(verdict_of(ERRORS(ITEM(201) "," FAILED(429, "es_rejected_execution_exception"))),
                     LB_VERDICT_RETRY);
    assert_int_equal(verdict_of(ERRORS(BAD "," ITEM(503) "," ITEM(201))), LB_VERDICT_RETRY);
    assert_int_equal(verdict_of(ERRORS(FAILED(403, "security_exception") "," ITEM(500))), LB_VERDICT_RETRY);
    assert_int_equal(verdict_of("{\"errors\":true,\"items\":[" BAD "," ITEM(429) ",{\"cre"),
                     LB_VERDICT_RETRY);
}

static void those_that_are_refused_are_told_by_their_place(void **state)
{
    (void)state;
    assert_int_equal(
        verdict_of(ERRORS(ITEM(201) "," BAD "," ITEM(409) "," FAILED(413, "x") ",\n" BAD "," ITEM(201))),
        LB_VERDICT_PARTLY);
    assert_int_equal(partly.count, 3);
    assert_int_equal(partly.index[0], 1);
    assert_int_equal(partly.index[1], 3);
    assert_int_equal(partly.index[2], 4);
    assert_int_equal(partly.unknown + partly.before_ns + partly.from_ns, 0);
    assert_int_equal(verdict_of(ERRORS("{\"index\":{\"error\":{\"type\":\"x\"},\"status\":400}}")),
                     LB_VERDICT_PARTLY);
    assert_int_equal(partly.index[0], 0);
}

static void what_is_wrong_with_key_or_index_is_no_record_s_fault(void **state)
{
    (void)state;
    assert_int_equal(verdict_of(ERRORS(FAILED(401, "x") "," ITEM(201))), LB_VERDICT_PAUSE);
    assert_int_equal(verdict_of(ERRORS(FAILED(403, "security_exception"))), LB_VERDICT_PAUSE);
    assert_int_equal(verdict_of(ERRORS(BAD "," FAILED(404, "index_not_found_exception"))), LB_VERDICT_PAUSE);
    assert_int_equal(verdict_of(ERRORS(FAILED(400, "index_closed_exception"))), LB_VERDICT_PAUSE);
    assert_int_equal(verdict_of(ERRORS(FAILED(400, "invalid_index_name_exception"))), LB_VERDICT_PAUSE);
}

static size_t many(char *to, unsigned count)
{
    char *at = to + sprintf(to, "{\"errors\":true,\"items\":[");

    for (unsigned i = 0; i < count; i++)
        at += sprintf(at, "%s" BAD, i ? "," : "");
    at += sprintf(at, "]}");
    return (size_t)(at - to);
}

static void more_than_can_be_told_are_looked_for(void **state)
{
    static char reply[128 * KIB];

    (void)state;
    many(reply, LB_PARTLY_MAX);
    assert_int_equal(verdict_of(reply), LB_VERDICT_PARTLY);
    assert_int_equal(partly.count, LB_PARTLY_MAX);
    assert_int_equal(partly.index[LB_PARTLY_MAX - 1], LB_PARTLY_MAX - 1);
    many(reply, LB_PARTLY_MAX + 1);
    assert_int_equal(verdict_of(reply), LB_VERDICT_BISECT);
    many(reply, 1000);
    assert_int_equal(judged(elastic()->judge, reply, 65536), LB_VERDICT_BISECT);
}

static void no_answer_that_was_cut_counts_as_whole(void **state)
{
    static const char taken[] = ERRORS(ITEM(201) "," ITEM(409)), mixed[] = ERRORS(BAD "," ITEM(201));

    (void)state;
    assert_int_equal(judged(elastic()->judge, taken, sizeof taken - 1), LB_VERDICT_DELIVERED);
    for (size_t len = 0; len < sizeof taken - 1; len++)
        assert_int_equal(judged(elastic()->judge, taken, len), LB_VERDICT_RETRY);
    assert_int_equal(judged(elastic()->judge, mixed, sizeof mixed - 1), LB_VERDICT_PARTLY);
    for (size_t len = 0; len < sizeof mixed - 1; len++) {
        enum lb_verdict verdict = judged(elastic()->judge, mixed, len);

        assert_int_equal(verdict, partly.count > 0 ? LB_VERDICT_BISECT : LB_VERDICT_RETRY);
    }
}

static void what_is_no_answer_of_bulk_is_tried_again(void **state)
{
    static const char *const table[] = {
        "",
        "{}",
        "[]",
        "null",
        "<html>please log in</html>",
        "{\"errors\":true}",
        ERRORS(""),
        "{\"items\":{}}",
        ERRORS("1"),
        ERRORS("{}"),
        ERRORS("{\"create\":1}"),
        ERRORS("{\"create\":{}}"),
        ERRORS(ITEM(0)),
        ERRORS(ITEM(99)),
        ERRORS(ITEM(302)),
        ERRORS(ITEM(600)),
        ERRORS(ITEM(2001)),
        ERRORS(ITEM("201")),
        ERRORS(ITEM(-201)),
        ERRORS(ITEM(2e2)),
        ERRORS("{\"delete\":{\"status\":201}}"),
        ERRORS(ITEM(201) ","),
        ERRORS(ITEM(201) " " ITEM(201)),
        ERRORS("," ITEM(201)),
        ERRORS("{\"create\":{\"status\":201},\"more\":1}"),
        "{\"errors\":\"false\",\"items\":[]}",
        "{\"nested\":{\"errors\":false}}",
        "[{\"errors\":false}]",
        "{\"errors\":true,\"items\":[" ITEM(201) "}",
        "\"errors\":true,\"items\":[" ITEM(201) "]}",
    };
    struct lb_answer answer = { .status = 200 };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        assert_int_equal(verdict_of(table[i]), LB_VERDICT_RETRY);
    assert_int_equal(elastic()->judge(&answer), LB_VERDICT_RETRY); /* no memory for it, say */
    elastic()->partly(&answer, &partly);
    assert_int_equal(partly.count, 0);
}

static void the_table_of_statuses(void **state)
{
    static const struct {
        long from, to;
        enum lb_verdict verdict;
    } table[] = {
        { 201, 399, LB_VERDICT_PAUSE }, { 400, 400, LB_VERDICT_BISECT }, { 401, 407, LB_VERDICT_PAUSE },
        { 408, 408, LB_VERDICT_RETRY }, { 409, 412, LB_VERDICT_PAUSE },  { 413, 413, LB_VERDICT_SPLIT },
        { 414, 414, LB_VERDICT_PAUSE }, { 415, 415, LB_VERDICT_RECODE }, { 422, 422, LB_VERDICT_BISECT },
        { 429, 429, LB_VERDICT_RETRY }, { 500, 500, LB_VERDICT_RETRY },  { 501, 501, LB_VERDICT_PAUSE },
        { 502, 599, LB_VERDICT_RETRY },
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        for (long status = table[i].from; status <= table[i].to; status++) {
            struct lb_answer answer = { .status = status, .reply = "{\"errors\":false}", .reply_len = 16 };

            assert_int_equal(elastic()->judge(&answer), table[i].verdict);
            assert_int_equal(elastic()->judge_probe(&answer), table[i].verdict);
            answer.error = 28;
            assert_int_equal(elastic()->judge(&answer), LB_VERDICT_RETRY);
            answer.is_clock_fault = true;
            assert_int_equal(elastic()->judge_probe(&answer), LB_VERDICT_CLOCK);
        }
}

static enum lb_verdict probed(const char *reply)
{
    return judged(elastic()->judge_probe, reply, strlen(reply));
}

#define UPDATE(status, type) "{\"update\":{\"status\":" #status ",\"error\":{\"type\":\"" type "\"}}}"

static void the_question_is_answered_well_by_there_is_no_such_document(void **state)
{
    (void)state;
    assert_int_equal(probed(ERRORS(UPDATE(404, "document_missing_exception"))), LB_VERDICT_DELIVERED);
    assert_int_equal(probed(ERRORS(UPDATE(400, "illegal_argument_exception"))), LB_VERDICT_DELIVERED);
    assert_int_equal(probed(ERRORS(UPDATE(403, "security_exception"))), LB_VERDICT_DELIVERED);
    assert_int_equal(probed("{\"errors\":false}"), LB_VERDICT_DELIVERED);
    assert_int_equal(probed(ERRORS(UPDATE(404, "index_not_found_exception"))), LB_VERDICT_PAUSE);
    assert_int_equal(probed(ERRORS(UPDATE(429, "es_rejected_execution_exception"))), LB_VERDICT_RETRY);
    assert_int_equal(probed(ERRORS(BAD)), LB_VERDICT_RETRY);
    assert_int_equal(probed("<html>"), LB_VERDICT_RETRY);
    /* The same of a body of records is no word about them. */
    assert_int_not_equal(verdict_of(ERRORS(UPDATE(404, "document_missing_exception"))), LB_VERDICT_DELIVERED);
}

static const char *explained(long status, const char *reply)
{
    static char text[128];
    struct lb_answer answer = { .status = status, .reply = reply, .reply_len = strlen(reply) };

    elastic()->explain(&answer, text, sizeof text);
    return text;
}

static void the_log_gets_the_error_that_the_verdict_is_for(void **state)
{
    (void)state;
    assert_string_equal(explained(200, ERRORS(ITEM(201) "," BAD)), "400 mapper_parsing_exception");
    assert_string_equal(explained(200, ERRORS(BAD "," FAILED(403, "security_exception"))),
                        "403 security_exception");
    assert_string_equal(explained(200, ERRORS(BAD "," FAILED(429, "es_rejected_execution_exception"))),
                        "429 es_rejected_execution_exception");
    assert_string_equal(explained(200, ERRORS(ITEM(503))), "503 for a record");
    assert_string_equal(explained(200, ERRORS(FAILED(400, "\\u001b[31m"))), "");
    assert_string_equal(explained(200, "<html>"), "no answer of _bulk");
    assert_string_equal(explained(200, "{\"errors\":false}"), "");
    assert_string_equal(explained(503, ERRORS(BAD)), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_without_errors_is_not_looked_through),
        cmocka_unit_test(what_is_there_already_is_as_good_as_taken),
        cmocka_unit_test(one_that_is_to_come_again_brings_all_of_them_again),
        cmocka_unit_test(those_that_are_refused_are_told_by_their_place),
        cmocka_unit_test(what_is_wrong_with_key_or_index_is_no_record_s_fault),
        cmocka_unit_test(more_than_can_be_told_are_looked_for),
        cmocka_unit_test(no_answer_that_was_cut_counts_as_whole),
        cmocka_unit_test(what_is_no_answer_of_bulk_is_tried_again),
        cmocka_unit_test(the_table_of_statuses),
        cmocka_unit_test(the_question_is_answered_well_by_there_is_no_such_document),
        cmocka_unit_test(the_log_gets_the_error_that_the_verdict_is_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
