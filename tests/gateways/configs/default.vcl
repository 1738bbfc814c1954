# Varnish's defaults: built-in rules, two minutes of life for what says nothing else.
vcl 4.1;
backend default {
    .host = "127.0.0.1";
    .port = "@UPSTREAM@";
}
