import { readChapters } from '../.vitepress/reference-chapters.js'

export default {
  paths: () =>
    readChapters().map(({ slug, text }) => ({ params: { chapter: slug }, content: text })),
}
