"""The Anthropic Files API mounted as a directory, so that cp, mv, rsync, vim and a file browser work on remote files. This is the map.

Five ideas

    Desired state, not a log.   A node (model.Node) says what the user wants of a name and what the server has. What is to be sent, or
        deleted, is the difference: saves, renames and removals coalesce by themselves, and after a crash there is nothing to replay.
    One content a node.         All handles of a node see the same bytes, and others' changes are shown after the last release.
    Stages are sealed.          Unsent content is a file of its own, a stage. A close seals it: it never changes again, so it can be sent,
        sent again and read meanwhile; the next write copies it into a new one.
    Ids never change.           What a file id names is the same bytes for ever: blocks are cached by id, an edit makes a new id, and the
        old one is deleted after the new one is there.
    The kernel remembers.       Names and sizes for as long as it was told, pages for as long as an open lets it: whatever changes under it
        is told, waited for, or read around.

Rooms: each imports only those below it, and a face (__init__.py) tells where to begin. tests/unit/test_layers.py says so.

    cli         what people type
    daemon      one mount's life, and the answers that it gives
    fuse        the kernel's border, and the errno gate
    fs          what each file operation means
    upload      from a promise to the server
    sync        the tree in step with the server       download    from the server to a reader
    remote      the Files API as five calls            tree        state.db: nodes, queues, who has what open
    store       bytes on this disk
    config · names · local_names · model · clock · errors      words that everybody uses
    emulator    apart: it imports nothing of the above, an independent witness of the protocol

A read: kernel (its page cache, if the open let it keep that) → fuse/operations → fs/open_files → fs/contents: the stage, if content is
local; else download/reader → store/block_cache (memory, then disk, checked) → for what is missing the file's one running download, joined
or started: its thread (download/transfers) takes what course.py asks for and bodies.py believes, hands runs of blocks over, then stores
them.

A write: kernel → fuse/operations → fs/contents: the node's stage, copied first if it is sealed. close → fs/open_files → fs/contents:
seal, fdatasync, one transaction (tree/promises: the name shows this, this must be sent) → upload/uploader is woken; in
wait mode the close waits (upload/close_waits). A thread takes the attempt from upload/schedule → upload/delivery:
`sending` committed → multipart streamed from the stage → id, and the size that was sent → tree/arrivals: hard link as
kept copy → one transaction (the node has the id, the old id is to be deleted) → the waiting close returns → stage
removed.

A rename changes rows only: the node's name, the server name that is wanted for it, and that its content is to be sent again.
upload/uploader → upload/restaging: a stage with what the server has (a second name of the kept copy) and an attempt; from there on as
above. So a rename there and back, a crash, or a newer save need no rule of their own.

On disk, below the state directory:

    state.db            tree/
    staging/<number>    store/staging: open, the node's handles have it; sealed, the uploader. Rows say which are promised
    cache/              store/block_cache: blocks that came from the server; kept/: whole copies of our own uploads. Both the cache's
    requests            remote/budget: the moments of the last minute's
    lock, control.sock  store/state_dir, daemon/control
    anthrofs.log        daemon/process

Locks, in the order in which they may be taken; nobody holds one while waiting for the network, for a thread, or for a sync of big data:

    1  open_table.Content.lock      one node's content
    2  database.Database            tree and outbox
    3  block_cache.BlockCache       what is in memory, what is on disk
    4  reader.Reader                downloads and who waits for them
    Leaves, under which no other is taken: all others. Content.promising comes before all: it keeps two closes of one node apart while the
    first one syncs.
"""
