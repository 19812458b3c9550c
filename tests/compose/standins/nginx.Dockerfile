# Stands in for nginxinc/nginx-unprivileged: the user nginx with id 101, its configuration in /etc/nginx/conf.d.
ARG BASE
FROM ${BASE}
RUN groupadd --system --gid 101 nginx && useradd --system --gid nginx --uid 101 nginx \
    && apt-get update \
    && apt-get install --yes --no-install-recommends curl nginx \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /etc/nginx/conf.d/*
COPY nginx.conf /etc/nginx/nginx.conf
USER nginx
STOPSIGNAL SIGQUIT
EXPOSE 8080
CMD ["nginx", "-g", "daemon off;"]
