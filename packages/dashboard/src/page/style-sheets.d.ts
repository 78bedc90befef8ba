// The builder of the page takes style sheets that its program imports.
declare module '*.css'
