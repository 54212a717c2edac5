#include <microhttpd.h>

// Swift imports no variadic function: these two call theirs with the arguments that HTTPServer needs.

static inline struct MHD_Daemon *thermocline_http_start(
    MHD_socket listener,
    MHD_AccessHandlerCallback handle,
    MHD_RequestCompletedCallback complete,
    MHD_NotifyConnectionCallback connect,
    void *context,
    unsigned int connections,
    unsigned int connections_per_address,
    unsigned int idle_seconds,
    size_t memory_per_connection)
{
    return MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, handle, context,
        MHD_OPTION_LISTEN_SOCKET, listener,
        MHD_OPTION_NOTIFY_COMPLETED, complete, context,
        MHD_OPTION_NOTIFY_CONNECTION, connect, context,
        MHD_OPTION_CONNECTION_LIMIT, connections,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, connections_per_address,
        MHD_OPTION_CONNECTION_TIMEOUT, idle_seconds,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, memory_per_connection,
        MHD_OPTION_END);
}

static inline const union MHD_ConnectionInfo *thermocline_http_info(
    struct MHD_Connection *connection, enum MHD_ConnectionInfoType type)
{
    return MHD_get_connection_info(connection, type);
}
