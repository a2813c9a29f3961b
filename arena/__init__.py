"""Arena: blind side-by-side battles between your own models, in one process.

The life of a battle goes one way:

    browser                     server
    POST /conversations ─────▶  views.conversations.create   read the form, refuse nonsense
                                  router.draw                  who is up; matchmaker: two of them, by weight
                                  store.open_conversation      the row exists before anything runs
                                  live                         a task a side; the server owns the generation
    303 /conversations/ID ◀──
    GET  /conversations/ID ──▶  views.conversations.show     the same partials, from live or from the store
    GET  .../ID/events ──────▶  views.events                 one SSE stream for both sides, resumable
                                  router.stream -> backend     deltas; failover only before the first token
                                  markdown                     a finished block once, the open one again
                                  store.finish_answer          text, tokens, times: kept before it is shown as done
    POST .../ID/vote ────────▶  store.cast_vote              on disk before the reply; then blind.faces has names

Each layer imports only from those above it (`lint-imports` keeps this):

    errors  patience                            what can go wrong, one class a reaction; waits that end
    words                                       the words of the interface, in the language of its reader
    config                                      config.toml, frozen
    tables  backend  conversation  endpoints    what is stored; what answers; a battle's rules; files of FastChat
    providers  engines  matchmaker  markdown  blind
    router  store                               model -> backend; all SQL
    live  export  metrics                       turns in flight; votes as files; what is counted
    views                                       HTML and SSE
    app                                         routes, lifespan
    cli                                         the command `arena`

Starlette appears only in `views` and `app`, SQLAlchemy only in `tables` and `store`, vLLM only in `engines`, httpx
only in `providers`.
"""
