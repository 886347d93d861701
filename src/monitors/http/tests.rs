//! Against real sockets.
