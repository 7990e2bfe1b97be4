/* SPDX-License-Identifier: MIT */
/* TLS for libmosquitto. In: files and a name. Out: a context that lets nobody in who is not of that name. */
#include "agent/ship/mqtt_tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"

static bool is_address(const char *host)
{
    unsigned char bytes[16];

    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

static int on_verified(int is_good, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct lb_mqtt_tls *tls = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

    if (!is_good)
        tls->verdict = X509_STORE_CTX_get_error(store);
    return is_good;
}

/* The library has named the address that it was given. An address is not named at all (RFC 6066, 3). */
static void on_step(const SSL *ssl, int where, int code)
{
    struct lb_mqtt_tls *tls = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

    (void)code;
    if (where == SSL_CB_HANDSHAKE_START && !SSL_is_init_finished(ssl)) {
        SSL *ours = (SSL *)(uintptr_t)ssl; /* OpenSSL passes what it works on as const */

        SSL_set_tlsext_host_name(ours, is_address(tls->host) ? NULL : tls->host);
    }
    if (where == SSL_CB_HANDSHAKE_DONE && tls->finished_ns == 0)
        tls->finished_ns = lb_clock_boot_ns();
}

static bool set_name(struct lb_mqtt_tls *tls)
{
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(tls->context);

    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return is_address(tls->host) ? X509_VERIFY_PARAM_set1_ip_asc(param, tls->host) == 1
                                 : X509_VERIFY_PARAM_set1_host(param, tls->host, 0) == 1;
}

/* Returns what cannot be used, NULL: all can. */
static const char *load_files(SSL_CTX *context, const char *ca, const char *cert, const char *key)
{
    if (ca[0] ? SSL_CTX_load_verify_file(context, ca) != 1 : SSL_CTX_set_default_verify_paths(context) != 1)
        return "tls_ca";
    if (!cert[0])
        return NULL;
    if (SSL_CTX_use_certificate_chain_file(context, cert) != 1)
        return "tls_cert";
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context) != 1)
        return "tls_key";
    return NULL;
}

int lb_mqtt_tls_open(struct lb_mqtt_tls *tls, const char *host, const char *ca, const char *cert,
                     const char *key, char *why, size_t size)
{
    const char *wrong, *said;

    tls->verdict = X509_V_OK;
    tls->finished_ns = 0;
    snprintf(tls->host, sizeof tls->host, "%s", host);
    ERR_clear_error();
    tls->context = SSL_CTX_new(TLS_client_method());
    if (!tls->context || !set_name(tls)) {
        lb_mqtt_tls_close(tls);
        return -ENOMEM;
    }
    SSL_CTX_set_app_data(tls->context, tls);
    SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION);
    SSL_CTX_set_mode(tls->context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(tls->context, SSL_VERIFY_PEER, on_verified);
    SSL_CTX_set_info_callback(tls->context, on_step);
    wrong = load_files(tls->context, ca, cert, key);
    if (!wrong)
        return 0;
    said = ERR_reason_error_string(ERR_peek_last_error());
    snprintf(why, size, "%s cannot be used: %s", wrong, said ? said : "it cannot be read");
    ERR_clear_error();
    lb_mqtt_tls_close(tls);
    return -EINVAL;
}

void lb_mqtt_tls_close(struct lb_mqtt_tls *tls)
{
    SSL_CTX_free(tls->context);
    tls->context = NULL;
}

bool lb_mqtt_tls_is_clock_fault(const struct lb_mqtt_tls *tls)
{
    return tls->verdict == X509_V_ERR_CERT_NOT_YET_VALID || tls->verdict == X509_V_ERR_CERT_HAS_EXPIRED;
}
