/* SPDX-License-Identifier: MIT */
/*
 * `logboomd -V`. In: the libraries that are loaded. Out: a line for each. Always true: what is told is what
 * runs, not what was compiled against: a device that is updated in part is asked here.
 */
#include "agent/offline/version.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <curl/curl.h>
#include <mosquitto.h>
#include <openssl/crypto.h>
#include <pcre2.h>
#include <sqlite3.h>
#include <zlib.h>
#include <zstd.h>

#define PCRE2_VERSION_MAX 64 /* "10.42 2022-12-11"; its manual asks for 24 */

void lb_offline_print_version(FILE *out)
{
    const curl_version_info_data *curl = curl_version_info(CURLVERSION_NOW);
    int major, minor, revision;
    char pcre2[PCRE2_VERSION_MAX] = "";

    mosquitto_lib_version(&major, &minor, &revision);
    pcre2_config(PCRE2_CONFIG_VERSION, pcre2);
    fputs("logboomd " LB_VERSION "\n", out);
    fprintf(out, "libcurl %s with %s\n", curl->version, curl->ssl_version ? curl->ssl_version : "no TLS");
    fprintf(out, "zstd %s\n", ZSTD_versionString());
    fprintf(out, "zlib %s\n", zlibVersion());
    fprintf(out, "sqlite %s\n", sqlite3_libversion());
    fprintf(out, "pcre2 %s\n", pcre2);
    fprintf(out, "mosquitto %d.%d.%d with %s\n", major, minor, revision, OpenSSL_version(OPENSSL_VERSION));
}
